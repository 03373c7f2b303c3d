/** How the pages look. Text of its own, because they allow no style but files of ours. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f8fa; --sheet: #ffffff; --text: #14202b; --quiet: #5b6b78; --line: #dfe6ec;
  --accent: #0b6e8f; --accent-soft: #e1f1f6; --alive: #1a7f4b; --shadow: 0 1px 2px #14202b14, 0 6px 20px #14202b0d;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0e151b; --sheet: #17212a; --text: #e8eff4; --quiet: #93a5b3; --line: #263440;
    --accent: #58bfdf; --accent-soft: #14303b; --alive: #5fcf95; --shadow: 0 1px 2px #0006, 0 6px 20px #0004;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); }
a { color: var(--accent); }
.wrap { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { background: var(--sheet); border-bottom: 1px solid var(--line); }
header .wrap { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem 2rem; padding-block: 0.9rem; }
.brand { display: flex; align-items: center; gap: 0.6rem; font-size: 1.2rem; font-weight: 650; color: inherit; text-decoration: none; }
.brand svg { width: 2rem; height: 2rem; }
.figures { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; margin: 0 0 0 auto; padding: 0; list-style: none; color: var(--quiet); font-size: 0.9rem; }
.figures b { color: var(--text); font-variant-numeric: tabular-nums; }
main.wrap { padding-block: 1.5rem 3rem; }
.find { display: flex; flex-wrap: wrap; gap: 0.6rem; margin-bottom: 1.25rem; }
.find input[type=search] { flex: 1 1 16rem; }
.find input, .find select, .find button { font: inherit; padding: 0.55rem 0.8rem; border: 1px solid var(--line); border-radius: 0.6rem; background: var(--sheet); color: inherit; }
.find label { display: flex; align-items: center; gap: 0.4rem; color: var(--quiet); font-size: 0.9rem; }
.find button { background: var(--accent); border-color: var(--accent); color: var(--sheet); font-weight: 600; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.result { color: var(--quiet); margin: 0 0 1rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); gap: 1.1rem; margin: 0; padding: 0; list-style: none; }
.card { display: flex; flex-direction: column; overflow: hidden; background: var(--sheet); border: 1px solid var(--line); border-radius: 0.9rem; box-shadow: var(--shadow); }
.card > a.cover { display: block; }
.cover { position: relative; aspect-ratio: 3 / 2; overflow: hidden; background: var(--accent-soft); }
.cover img, .cover svg { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: cover; }
.body { display: flex; flex-direction: column; gap: 0.35rem; padding: 0.8rem 0.95rem 0.95rem; flex: 1; }
.body h2 { margin: 0; font-size: 1.02rem; line-height: 1.3; overflow-wrap: anywhere; }
.body h2 a { color: inherit; text-decoration: none; }
.body h2 a:hover { text-decoration: underline; }
.about { margin: 0; color: var(--quiet); font-size: 0.88rem; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 0.1rem 0.9rem; margin: auto 0 0; padding: 0.3rem 0 0; color: var(--quiet); font-size: 0.85rem; font-variant-numeric: tabular-nums; }
.alive { color: var(--alive); font-weight: 600; }
.tags { display: flex; flex-wrap: wrap; gap: 0.35rem; }
.tag { padding: 0.05rem 0.55rem; border-radius: 1rem; background: var(--accent-soft); color: var(--accent); font-size: 0.78rem; text-decoration: none; overflow-wrap: anywhere; }
.number { color: var(--quiet); font-weight: 400; font-variant-numeric: tabular-nums; }
.empty { padding: 3.5rem 1.5rem; text-align: center; background: var(--sheet); border: 1px dashed var(--line); border-radius: 0.9rem; color: var(--quiet); }
.empty h2 { color: var(--text); margin: 0 0 0.4rem; }
code { font: 0.88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; background: var(--accent-soft); padding: 0.15rem 0.4rem; border-radius: 0.35rem; overflow-wrap: anywhere; }
.pages { display: flex; justify-content: center; align-items: center; gap: 1.25rem; margin-top: 1.75rem; color: var(--quiet); }
.sheet { background: var(--sheet); border: 1px solid var(--line); border-radius: 0.9rem; box-shadow: var(--shadow); overflow: hidden; }
.sheet .inside { padding: 1.3rem 1.5rem 1.6rem; }
.sheet h1 { margin: 0 0 0.3rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 2px; max-height: 18rem; overflow: hidden; }
.strip .cover { aspect-ratio: 4 / 3; }
.actions { display: flex; flex-wrap: wrap; gap: 0.7rem; margin: 1.1rem 0; }
.button { padding: 0.55rem 1rem; border: 1px solid var(--accent); border-radius: 0.6rem; text-decoration: none; font-weight: 600; }
.button.first { background: var(--accent); color: var(--sheet); }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; }
th, td { padding: 0.4rem 0.6rem 0.4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { width: 9rem; color: var(--quiet); font-weight: 500; }
td.right { text-align: right; white-space: nowrap; width: 8rem; font-variant-numeric: tabular-nums; }
h2.part { font-size: 1rem; margin: 1.5rem 0 0.4rem; }
footer { border-top: 1px solid var(--line); color: var(--quiet); font-size: 0.85rem; }
footer .wrap { display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; padding-block: 1.1rem; }
`
