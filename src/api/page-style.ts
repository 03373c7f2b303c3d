/** How the page looks. Text of its own, because the page allows no style but files of ours. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1rem; }
`
