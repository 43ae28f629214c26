// A reader for the YAML that this project writes: block and flow collections, plain and quoted scalars, > and | blocks,
// comments. No anchors, tags or several documents.

export function parseYaml(text) {
  const lines = [];
  text.split('\n').forEach((raw, i) => lines.push({raw, number: i + 1, indent: raw.search(/\S|$/)}));
  return new Blocks(lines).document();
}

class Blocks {
  constructor(lines) {
    this.lines = lines;
    this.at = 0;
  }
  fail(why) {
    throw new Error(`line ${this.lines[Math.min(this.at, this.lines.length - 1)].number}: ${why}`);
  }
  // The next line that says something; undefined at the end.
  peek() {
    while (this.at < this.lines.length && /^\s*(#.*)?$/.test(this.lines[this.at].raw)) this.at++;
    return this.lines[this.at];
  }
  document() {
    const first = this.peek();
    const value = first === undefined ? null : this.block(first.indent);
    if (this.peek() !== undefined) this.fail('text after the document');
    return value;
  }
  block(indent) {
    const line = this.peek();
    return /^-( |$)/.test(line.raw.slice(line.indent)) ? this.sequence(indent) : this.mapping(indent);
  }
  sequence(indent) {
    const items = [];
    for (let line = this.peek(); line?.indent === indent && /^-( |$)/.test(line.raw.slice(indent)); line = this.peek()) {
      const rest = line.raw.slice(indent + 1);
      if (/^\s*(#.*)?$/.test(rest)) {
        this.at++;
        items.push(this.nested(indent));
      } else if (/^\s+("[^"]*"|[^\s"'[{#][^:#]*):( |$)/.test(rest)) {
        // "- key: value": the mapping starts on this line, two columns further in.
        const inner = indent + 1 + rest.search(/\S/);
        line.raw = ' '.repeat(inner) + line.raw.slice(inner);
        line.indent = inner;
        items.push(this.mapping(inner));
      } else {
        items.push(this.scalarAt(rest.trimStart(), indent));
      }
    }
    return items;
  }
  mapping(indent) {
    const map = {};
    for (let line = this.peek(); line?.indent === indent; line = this.peek()) {
      const match = /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'[{#-][^:]*?|-[^\s:][^:]*?|\/[^:]*?):(?: +(.*))?$/.exec(line.raw.slice(indent));
      if (!match) this.fail(`a key was expected: ${line.raw}`);
      const key = /^["']/.test(match[1]) ? new Flow(match[1]).value() : match[1];
      if (key in map) this.fail(`the key ${key} stands twice`);
      const rest = match[2] ?? '';
      if (/^(#.*)?$/.test(rest)) {
        this.at++;
        map[key] = this.nested(indent);
      } else {
        map[key] = this.scalarAt(rest, indent);
      }
    }
    const next = this.peek();
    if (next && next.indent > indent) this.fail('the indentation is wrong');
    return map;
  }
  // The value below a "key:" or "-" at `indent`.
  nested(indent) {
    const next = this.peek();
    if (next === undefined || next.indent < indent) return null;
    if (next.indent === indent) return /^- /.test(next.raw.slice(indent)) ? this.sequence(indent) : null;
    return this.block(next.indent);
  }
  scalarAt(text, indent) {
    if (/^[|>][+-]?\s*$/.test(text)) return this.blockScalar(text, indent);
    if (!/^[[{"']/.test(text)) {
      // A plain scalar goes on over the lines that are further in.
      let plain = text.replace(/\s+#.*$/, '').trimEnd();
      this.at++;
      for (let next = this.peek(); next && next.indent > indent; next = this.peek()) {
        plain += ` ${next.raw.trim()}`;
        this.at++;
      }
      return plainValue(plain);
    }
    let whole = text;
    this.at++;
    for (;;) {
      const flow = new Flow(whole);
      try {
        return flow.whole();
      } catch (error) {
        if (!flow.hungry || this.at >= this.lines.length) this.fail(`${error.message}: ${whole}`);
        whole += `\n${this.lines[this.at++].raw.trim()}`;
      }
    }
  }
  blockScalar(style, indent) {
    this.at++;
    const lines = [];
    let inner;
    for (; this.at < this.lines.length; this.at++) {
      const line = this.lines[this.at];
      if (line.raw.trim() === '') {
        lines.push('');
        continue;
      }
      if (line.indent <= indent) break;
      inner ??= line.indent;
      lines.push(line.raw.slice(inner));
    }
    while (lines.at(-1) === '') lines.pop();
    const text = lines.join(style[0] === '|' ? '\n' : ' ');
    return style[1] === '-' ? text : `${text}\n`;
  }
}

function plainValue(text) {
  if (text === '' || text === '~' || text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
}

// One flow value: [..], {..}, "..", '..' or a plain scalar.
class Flow {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.hungry = false;
  }
  whole() {
    const value = this.value();
    this.space();
    if (this.at < this.text.length && this.text[this.at] !== '#') throw new Error('text after the value');
    return value;
  }
  space() {
    while (/\s/.test(this.text[this.at] ?? '')) this.at++;
  }
  need() {
    if (this.at < this.text.length) return this.text[this.at];
    this.hungry = true;
    throw new Error('the value has no end');
  }
  value() {
    this.space();
    const c = this.need();
    if (c === '[') return this.list();
    if (c === '{') return this.map();
    if (c === '"' || c === "'") return this.quoted(c);
    const end = this.text.slice(this.at).search(/[,\]}]|: |:$|$/);
    const text = this.text.slice(this.at, this.at + end).trim();
    this.at += end;
    return plainValue(text);
  }
  quoted(quote) {
    let out = '';
    for (this.at++; this.need() !== quote || (quote === "'" && this.text[this.at + 1] === "'"); this.at++) {
      if (quote === "'" && this.text[this.at] === "'") this.at++;
      if (quote === '"' && this.text[this.at] === '\\') {
        const rest = /^\\(u[0-9a-fA-F]{4}|.)/s.exec(this.text.slice(this.at))[0];
        out += JSON.parse(`"${rest}"`);
        this.at += rest.length - 1;
      } else {
        out += this.text[this.at];
      }
    }
    this.at++;
    return out;
  }
  list() {
    const items = [];
    this.at++;
    for (;;) {
      this.space();
      if (this.need() === ']') break;
      items.push(this.value());
      this.comma(']');
    }
    this.at++;
    return items;
  }
  map() {
    const map = {};
    this.at++;
    for (;;) {
      this.space();
      if (this.need() === '}') break;
      const key = this.value();
      this.space();
      if (this.need() !== ':') throw new Error('a colon is missing');
      this.at++;
      map[key] = this.value();
      this.comma('}');
    }
    this.at++;
    return map;
  }
  comma(end) {
    this.space();
    if (this.need() === ',') this.at++;
    else if (this.text[this.at] !== end) throw new Error('a comma is missing');
  }
}
