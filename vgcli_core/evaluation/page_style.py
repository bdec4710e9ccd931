"""How the page of a run looks, beside what all pages share."""

STYLE = """
:root { --this: #0b57b0; --band: #9cc3f2; --paper-mark: #a03a00; --edge: rgb(0 0 0/.3); }
@media (prefers-color-scheme: dark) { :root { --this: #8cbeff; --band: #39618f; --paper-mark: #ffab6b;
  --edge: rgb(255 255 255/.4); } }
body { max-width: 76rem; }
h1 { font-size: 1.7rem; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 2.6rem 0 .2rem; padding-top: .8rem;
  border-top: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
a { color: var(--accent); }
code { font-family: ui-monospace, monospace; font-size: .9em; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem;
  margin: .4rem 0;
  white-space: pre-wrap; font: .85rem/1.45 ui-monospace, monospace; }
.faded, .interval { color: var(--faded); font-size: .85rem; }
.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.4rem; margin: .6rem 0; padding: 0; list-style: none;
  font-size: .9rem; }
.facts b { font-weight: 600; }
.facts span { color: var(--faded); margin-right: .35rem; }
.contents { columns: 16rem; margin: .8rem 0; padding: 0; list-style: none; font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .5rem 0; padding: 0; list-style: none;
  font-size: .85rem; }
.legend li, .paper li { display: flex; align-items: center; gap: .35rem; }
.legend svg, .paper svg { flex: none; width: 1.1rem; height: .8rem; }
.notice { background: var(--bad); color: var(--bad-ink); border-radius: .5rem; padding: .5rem .8rem; margin: .6rem 0;
  font-weight: 600; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: .8rem;
  margin: .8rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem .9rem;
  min-width: 0; }
.tile p { margin: 0; }
.metric { font-weight: 600; font-size: .95rem; }
.number { font-size: 2.3rem; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }
.number small { font-size: 1.1rem; font-weight: 400; color: var(--faded); }
.paper { list-style: none; margin: .2rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0 1rem;
  font-size: .9rem; }
.bar { display: block; width: 100%; height: 1.5rem; overflow: visible; }
.bar .track { fill: var(--plain); }
.band { fill: var(--band); }
.dot { fill: var(--this); }
.mark { fill: var(--paper-mark); }
.hollow { fill: var(--card); stroke: var(--paper-mark); stroke-width: 1.5; }
/* Where there is more to the right or left, that edge has a shadow: covers move with the table, shadows stay. */
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; max-width: 100%;
  background: linear-gradient(to right, var(--card) 40%, transparent) left / 2rem 100% no-repeat local,
  linear-gradient(to left, var(--card) 40%, transparent) right / 2rem 100% no-repeat local,
  linear-gradient(to right, var(--edge), transparent) left / 1.1rem 100% no-repeat scroll,
  linear-gradient(to left, var(--edge), transparent) right / 1.1rem 100% no-repeat scroll, var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .5rem .7rem; color: var(--faded); font-size: .85rem; }
th, td { padding: .35rem .7rem; text-align: right; vertical-align: top; border-top: 1px solid var(--line);
  overflow-wrap: normal; }
thead th { border-top: 0; color: var(--faded); font-weight: 600; vertical-align: bottom; }
th[scope=row] { font-weight: 500; min-width: 8.5rem; max-width: 20rem; overflow-wrap: anywhere; }
th[scope=row], thead th:first-child { position: sticky; left: 0; background: var(--card); }
.words { text-align: left; }
td.metric { white-space: nowrap; font-weight: 400; }
td .interval { display: block; white-space: nowrap; font-size: .8rem; }
td.notes { min-width: 13rem; }
td.drawn { min-width: 9rem; width: 22%; }
.list { margin: .4rem 0; padding-left: 1.2rem; font-size: .9rem; }
.record dl { margin: 0; font-size: .85rem; }
.record dl dl { border-left: 2px solid var(--line); padding-left: .8rem; }
.record dl > div { display: grid; grid-template-columns: minmax(6rem, 13rem) minmax(0, 1fr); gap: .1rem .8rem;
  padding: .12rem 0; }
.record dl > .nested { display: block; }
.record dt { color: var(--faded); }
.record dd { margin: 0; white-space: pre-wrap; }
.record ol { margin: 0; padding-left: 1.6rem; }
.record > summary { font-size: 1rem; padding: .4rem 0; }
footer { color: var(--faded); font-size: .85rem; margin: 2rem 0 1rem; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 34rem) { h1 { font-size: 1.35rem; } .record dl > div { display: block;
  } th, td { padding: .3rem .5rem; }
  .tiles { grid-template-columns: repeat(auto-fill, minmax(min(100%, 9.5rem), 1fr)); gap: .5rem; }
  .tile { padding: .5rem .65rem; } .number { font-size: 1.7rem; } th[scope=row] { min-width: 6rem; max-width: 9rem; }
  .drawn { display: none; } td.metric { white-space: normal; } }
"""
