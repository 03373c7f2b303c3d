/**
 * HTML by template: everything put into a template is escaped, unless it came out of one (S36). So no name
 * from outside can become markup, whoever writes the page.
 */
export class Html {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

export type HtmlPart = Html | string | number | false | undefined | readonly Html[]

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function html(strings: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  return new Html(strings.map((text, index) => text + rendered(parts[index])).join(''))
}

function rendered(part: HtmlPart): string {
  if (part === undefined || part === false) return ''
  if (part instanceof Html) return part.toString()
  if (typeof part === 'object') return part.join('')
  return String(part).replace(/[&<>"']/g, (char) => ENTITIES[char]!)
}
