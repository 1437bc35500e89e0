"""The look of the report's page."""

from __future__ import annotations

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--soft:#f5f6f8;--ink:#1b1d21;--quiet:#5c6470;--grid:#cfd4da;--main:#2f5d9b;
--good:#1f7a4a;--warn:#a35f00;--bad:#b3261e;--line:#dfe3e8}
@media (prefers-color-scheme:dark){:root{--paper:#15171b;--soft:#1e2127;--ink:#e8eaed;--quiet:#a0a7b1;--grid:#565d67;
--main:#7fb0f0;--good:#5cc98d;--warn:#e6a34a;--bad:#f2837b;--line:#30353d}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.25;margin:.2rem 0 1.2rem}h2{font-size:1.3rem;margin:0 0 .3rem}
h3{font-size:1rem;margin:.8rem 0 .2rem}
section{margin:2.2rem 0;padding-top:1.2rem;border-top:1px solid var(--line)}
section.summary{display:flex;gap:1.6rem;align-items:flex-start;border:0;padding:0;margin:1rem 0}
.label{color:var(--quiet);margin:0;font-size:.9rem}.lead,.quiet{color:var(--quiet)}p{margin:.35rem 0 .8rem}
.score{flex:none;width:9.5rem;height:9.5rem;border-radius:50%;border:.6rem solid var(--warn);display:flex;
flex-direction:column;align-items:center;justify-content:center}
.score b{font-size:3rem;line-height:1}.score span{color:var(--quiet)}
.s-release{border-color:var(--good)}.s-collect{border-color:var(--bad)}
.tiles{display:flex;flex-wrap:wrap;gap:.7rem}.tile{flex:1 1 8rem;background:var(--soft);border-radius:.6rem;padding:.7rem 1rem}
.tile b{display:block;font-size:1.5rem}.tile span{color:var(--quiet)}
.tile.good b{color:var(--good)}.tile.warn b{color:var(--warn)}.tile.bad b{color:var(--bad)}
ol.next{padding-left:1.4rem}ol.next>li{margin-bottom:1rem}ol.next h3{margin:0}
.points{font-weight:400;font-size:.85rem;background:var(--soft);border-radius:1rem;padding:.1rem .6rem;white-space:nowrap}
ul.said{list-style:none;padding:0;margin:.3rem 0}ul.said li{background:var(--soft);border-left:3px solid var(--main);
padding:.25rem .7rem;margin:.25rem 0;overflow-wrap:anywhere}
details{border:1px solid var(--line);border-radius:.5rem;padding:.5rem .9rem;margin:.5rem 0}
summary{cursor:pointer;font-weight:600}.error{color:var(--bad)}.warning{color:var(--warn)}.note{color:var(--quiet)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:600}td.n{white-space:nowrap;font-variant-numeric:tabular-nums}
td.place{font:.82rem/1.5 ui-monospace,monospace;min-width:13rem;overflow-wrap:break-word}.facts th{width:40%;font-weight:400;color:var(--quiet)}
figure{margin:.8rem 0}svg{max-width:100%;height:auto}svg text{font-family:system-ui,sans-serif!important}
code{background:var(--soft);padding:.1rem .35rem;border-radius:.25rem}footer{color:var(--quiet);font-size:.9rem;margin-top:3rem}
@media (max-width:640px){section.summary{flex-direction:column}}
@media print{details{break-inside:avoid}body{font-size:12px}}
""".strip()
