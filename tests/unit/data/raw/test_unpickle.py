"""Pickles as data: what numpy writes comes back, and whatever a pickle could do besides is refused and not done."""

import builtins
import collections
import io
import os
import pickle
import struct
import time

import numpy as np
import pytest

from vgcli_core.data.raw.unpickle import load_pickle, unpickle
from vgcli_core.errors import DataError

PROTOCOLS = [2, 3, 4, 5]


def same(found, expected) -> None:
    assert type(found) is type(expected) or isinstance(expected, bytearray | collections.OrderedDict), (found, expected)
    if isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        assert found == expected


ARRAYS = [
    np.arange(12.0).reshape(3, 4),
    np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
    np.arange(24, dtype=np.int16).reshape(2, 3, 4).transpose(2, 0, 1),
    np.arange(9, dtype=np.uint8)[::2],
    np.array(3.5, np.float32),
    np.zeros((0, 3)),
    np.array([True, False]),
    np.array(["a", "bcé"]),
    np.array([b"xy", b"z"]),
    np.array([1 + 2j]),
    np.arange(256, dtype=np.uint8),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_and_plain_containers_come_back(protocol):
    value = {
        "arrays": ARRAYS,
        "scalars": [np.float32(0.1), np.int64(-5), np.bool_(True), np.str_("abc")],
        "numbers": [0, 1, 255, 256, 65536, -1, 2**31, -(2**40), 2**200, 0.1, float("inf"), True, False, None],
        "texts": ["", "scene0000_00", "ü\u2028", "\udc80", "x" * 300],
        "bytes": [b"", b"\x00\xff", bytearray(b"\x80a")],
        "containers": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {1, 2}, frozenset({"a"}), {(1, "a"): 2}],
        "ordered": collections.OrderedDict(a=1),
        3: 4,
    }
    same(unpickle(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_1_named_its_modules_without_the_underscore(protocol):
    old = pickle.dumps(ARRAYS[0], protocol)
    for name in (b"numpy._core.multiarray", b"numpy._core.numeric"):
        short = name.replace(b"_core", b"core")
        old = old.replace(bytes([len(name)]) + name, bytes([len(short)]) + short).replace(name + b"\n", short + b"\n")
    if protocol >= 4:  # one byte less in the frame
        old = old[:3] + struct.pack("<Q", struct.unpack("<Q", old[3:11])[0] - 1) + old[11:]
    assert b"numpy.core" in old
    same(unpickle(old), ARRAYS[0])


def test_an_array_of_python_2_holds_its_bytes_as_a_string():
    raw = np.array([1.5, -2.0]).tobytes()
    pickled = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01K\x02\x85"
        b"cnumpy\ndtype\nq\x04U\x02f8K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x10" + raw + b"tb."
    )
    same(unpickle(pickled), np.array([1.5, -2.0]))
    assert unpickle(b"\x80\x02(U\x02\xe9aT\x01\x00\x00\x00bI7\nI01\nt.") == ("éa", "b", 7, True)


def test_one_array_named_twice_is_one_array_and_arrays_are_read_only():
    array = np.arange(3.0)
    found = unpickle(pickle.dumps([array, array, {"again": array}], 4))
    assert found[0] is found[1] is found[2]["again"]
    with pytest.raises(ValueError, match="read-only"):
        found[0][0] = 1


class Calls:
    """Pickled as a call of anything."""

    def __init__(self, function, *arguments, state=None):
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.reduced


class Plain:
    pass


MALICIOUS = [
    Calls(os.system, "echo never"),
    Calls(os.getcwd),
    Calls(builtins.eval, "1"),
    Calls(builtins.exec, "1"),
    Calls(builtins.getattr, [], "append"),
    Calls(builtins.__import__, "os"),
    Calls(builtins.open, "/etc/passwd"),
    Calls(np.load, "file.npy"),
    Calls(np.fromfile, "/etc/passwd"),
    Calls(np.frombuffer, b"ab"),
    Calls(np.zeros, 10),
    Calls(np.vectorize, os.getcwd),
    Calls(np.testing.assert_equal, 1, 1),
    Calls(pickle.loads, b"N."),
    Calls(collections.defaultdict, list),
    Calls(collections.deque, [1]),
    Calls(type, "x", (), {}),
    Plain(),
    Plain,
    os.system,
    np.array([Calls(os.getcwd)], dtype=object),
    np.array([1, "a"], dtype=object),
    np.zeros(2, dtype=[("a", "O")]),
    np.zeros(2, dtype=[("a", "f4")]),
    np.array(["2020-01-01"], dtype="M8[D]"),
    np.rec.array([(1,)], dtype=[("a", "f4")]),
    np.ma.masked_array([1], [True]),
    np.memmap,
    range(3),
    slice(1),
    io.BytesIO(b"x"),
    lambda_ := len,
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", MALICIOUS, ids=lambda value: type(value).__name__)
def test_anything_else_is_refused_and_named(value, protocol, monkeypatch):
    reached = []
    pickled = pickle.dumps({"data_list": [1, value]}, protocol)
    for module, name in ((os, "system"), (os, "getcwd"), (builtins, "eval"), (np, "load"), (pickle, "loads")):
        monkeypatch.setattr(module, name, lambda *_: reached.append(1))
    with pytest.raises(DataError) as caught:
        unpickle(pickled, where="a.pkl")
    monkeypatch.undo()
    assert reached == []
    assert "the pickle" in caught.value.what and "damaged" not in caught.value.what
    assert caught.value.where.startswith("a.pkl, byte ")


def test_the_name_that_was_found_is_in_the_message():
    with pytest.raises(DataError, match=r"names (posix|nt)\.system"):
        unpickle(pickle.dumps(Calls(os.system, "x"), 4))
    with pytest.raises(DataError, match="array of Python objects"):
        unpickle(pickle.dumps(np.array([None]), 4))


DTYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R"
ENDLESS = b")" + b"q\x00h\x00\x86" * 60  # a pair of pairs of pairs: small in memory, endless when it is hashed or shown


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"cnumpy\nndarray\n\x85\x81.", "NEWOBJ"),
        (b"cnumpy\nndarray\nK\x05\x85R.", "calls numpy.ndarray itself"),
        (b"cnumpy\nndarray\n.", "ends in the middle"),
        (b"cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.", "sets the state of a Name"),
        (b"]}b.", "sets the state of a list"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.", "encodes text as 'hex'"),
        (b"ccopy_reg\n_reconstructor\n.", "names copy_reg._reconstructor"),
        (b"cos\nsystem\n.", "names os.system"),
        (b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.", "names os.system"),
        (b"(ios\nsystem\n.", "INST"),
        (b"\x82\x01.", "EXT1"),
        (b"Pabc\n.", "PERSID"),
        (b"NQ.", "refers to data outside"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"N2.", "DUP"),
        (b"\xff.", "unknown"),
        (b"NN.", "values left over"),
        (b"]K\x01K\x02s.", "as if it were a dict"),
        (b"}]K\x01s.", "has a list as a key"),
        (b"}" + ENDLESS + b"K\x01s.", "has a tuple as a key"),
        (b"cnumpy\ndtype\n" + ENDLESS + b"\x85R.", "array of the dtype a value of the type tuple"),
        (DTYPE + b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.", "ends in the middle"),
        (DTYPE + b"(K\x03X\x01\x00\x00\x00<)NNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.", "records"),
        (b"cnumpy._core.multiarray\nscalar\n" + DTYPE + b"C\x07abcdefg\x86R.", "in 7 bytes"),
        (
            b"cnumpy._core.numeric\n_frombuffer\n(C\x08abcdefgh"
            + DTYPE
            + b"J\xff\xff\xff\xff\x85X\x01\x00\x00\x00CtR.",
            "shape",
        ),
        (b"cnumpy._core.numeric\n_frombuffer\n(C\x08abcdefgh" + DTYPE + ENDLESS + b"X\x01\x00\x00\x00CtR.", "shape"),
        (b"cnumpy._core.numeric\n_frombuffer\n(]" + DTYPE + b")X\x01\x00\x00\x00CtR.", "made of a list"),
    ],
)
def test_programs_written_by_hand_are_refused_at_once(body, message):
    started = time.process_time()
    with pytest.raises(DataError, match=message):
        unpickle(b"\x80\x02" + body)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "body",
    [
        b"B\xff\xff\xff\x7f.",  # 2 GiB of bytes are announced
        b"\x8e" + b"\xff" * 8 + b".",
        b"X\xff\xff\xff\xff.",
        b"Nr\xff\xff\xff\xff.",  # memo entry four billion: the standard machine makes room for all before it
        b"\x8b\xff\xff\xff\x7f.",  # an integer of 2 GiB
        b"I" + b"9" * 1000 + b"\n.",
        b"\x8f0" * 100_000 + b"N.",  # many sets for few bytes
        b"]" * 50_000 + b".",
        b")" + b"\x85" * 50_000 + b".",
    ],
)
def test_a_small_pickle_cannot_ask_for_much_memory(body):
    started = time.process_time()
    with pytest.raises(DataError):
        unpickle(b"\x80\x04" + body)
    assert time.process_time() - started < 1


def test_a_list_within_itself_is_read_and_deep_nesting_does_not_crash():
    loop: list = []
    loop.append(loop)
    found = unpickle(pickle.dumps(loop, 2))
    assert found[0] is found
    deep = b"\x80\x02" + b"]q\x00X\x05\x00\x00\x00hello0" * 3000 + b"a" * 2999 + b"."
    assert isinstance(unpickle(deep), list)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_cut_anywhere_or_with_any_byte_changed_gives_data_or_a_data_error(protocol):
    whole = pickle.dumps({"images": [{"cam2global": np.eye(4), "ids": [1, 2, 300]}], "name": "scannet/x"}, protocol)
    for length in range(len(whole)):
        with pytest.raises(DataError):
            unpickle(whole[:length])
    generator = np.random.default_rng(protocol)
    for place in range(2, len(whole)):
        changed = bytearray(whole)
        changed[place] = generator.integers(256)
        try:
            unpickle(bytes(changed))
        except DataError as error:
            assert str(error)


def test_a_file_is_named_when_it_is_missing_or_no_pickle(tmp_path):
    with pytest.raises(DataError, match=r"cannot read missing\.pkl"):
        load_pickle(tmp_path / "missing.pkl")
    (tmp_path / "a.pkl").write_bytes(b"[1, 2]")
    with pytest.raises(DataError, match="not a pickle of protocol 2 to 5"):
        load_pickle(tmp_path / "a.pkl")
    (tmp_path / "b.pkl").write_bytes(pickle.dumps([1], 0))
    with pytest.raises(DataError, match="not a pickle of protocol 2 to 5"):
        load_pickle(tmp_path / "b.pkl")
    (tmp_path / "c.pkl").write_bytes(pickle.dumps({"a": np.arange(3)}, 5))
    same(load_pickle(tmp_path / "c.pkl"), {"a": np.arange(3)})
