/** What every page has: head, the bar at the top with a few figures, the foot. */

import { type Html, html } from './html.ts'
import type { ApiServices } from './services.ts'

/** Three fish of a shoal. */
export const LOGO = html`<svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="16" fill="#0b6e8f"/><g fill="#fff"><path d="M7 12c3-4 8-4 11 0-3 4-8 4-11 0l-3 3v-6z"/><path opacity=".8" d="M15 19c3-4 8-4 11 0-3 4-8 4-11 0l-3 3v-6z"/><path opacity=".55" d="M8 25c2-2.500 5-2.500 7 0-2 2.500-5 2.500-7 0l-2 2v-4z"/></g></svg>`

export interface PageParts {
  readonly title: string
  readonly main: Html
}

export function page({ title, main }: PageParts, { tracker, catalog, version }: ApiServices): string {
  const { swarms, peers } = tracker.stats()
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
</head>
<body>
<header><div class="wrap">
<a class="brand" href="/">${LOGO} Shoal</a>
<ul class="figures">
<li><b>${catalog.catalog.size}</b> libraries</li>
${swarms !== null && html`<li><b>${swarms}</b> swarms</li>`}
${peers !== null && html`<li><b>${peers}</b> peers</li>`}
</ul>
</div></header>
<main class="wrap">
${main}
</main>
<footer><div class="wrap"><span>Shoal ${version}</span><a href="/api">API</a><a href="/stats.json">Counters</a></div></footer>
</body>
</html>
`.toString()
}
