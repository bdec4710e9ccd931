"""`python -m vgcli` is `vgllm`."""

from vgcli.main import main

main()
