// Random expressions and templates over a fixed context, from a seed. Most are legal; many fail when they run.

// xorshift32: the same numbers on every machine.
export class Random {
  constructor(seed) {
    this.state = (seed >>> 0) || 1;
  }
  below(n) {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % n;
  }
  pick(list) {
    return list[this.below(list.length)];
  }
}

export const CONTEXT = {
  word: 'Hello World', empty: '', padded: ' \t x y \n', han: '你好 Straße ΣΑΣ', quote: 'it\'s "so"\\', lines: 'a\n\nb\r\nc', n: 7, zero: 0, minus: -3, half: 2.5, tiny: 1e-7, big: 12345678901234567890 / 1e3,
  yes: true, no: false, nothing: null, numbers: [3, 1, 2, 1], words: ['b', 'A', 'c', 'a'], mixed: [1, 'x', null, true, [2], {k: 'v'}], none_of_it: [],
  record: {b: 1, a: 'two', C: null, items_: [1]}, people: [{name: 'Zoe', age: 3, tag: {x: 1}}, {name: 'adam', age: 30}, {name: 'Bo', age: 3, admin: true}],
};
const STRINGS = ['word', 'empty', 'padded', 'han', 'quote', 'lines', "'x'", '"a,b,,c"', "'\\n'", "'{}'", 'people[0].name', "record['a']"];
const NUMBERS = ['n', 'zero', 'minus', 'half', 'tiny', 'yes', '0', '1', '-2', '3', '0.1', '1e3', 'numbers[0]', 'people[1].age'];
const LISTS = ['numbers', 'words', 'mixed', 'none_of_it', 'people', '[1, 2, 3]', "['a', 'b']", '[]', '(1, 2)', "'a b c'.split()", 'record|list', 'range(4)|list'];
const OTHERS = ['nothing', 'missing', 'record', 'none', 'true', 'record.missing', '{}', "{'k': 1}", 'yes', 'no'];
const NUMERIC_OPS = ['+', '-', '*', '/', '//', '%'];
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>=', 'in', 'not in'];
const STRING_FILTERS = ['trim', 'upper', 'lower', 'capitalize', 'title', 'length', 'string', "replace('a', 'XY')", "replace('', '-')", "replace('l', 'L', 1)", 'tojson', 'int', 'float', 'first', 'last', 'list',
  "default('d')", "d('d', true)", 'indent', 'indent(2, true)', "indent('> ', blank=true)", 'reverse|list', "trim('x ')", 'count', 'unique|list', 'sort'];
const LIST_FILTERS = ['length', 'first', 'last', 'join', "join(', ')", 'sort', 'sort(reverse=true)', 'unique|list', 'list', 'tojson', 'tojson(indent=2)', 'sum', 'max', 'min', "map('upper')|list",
  "map('string')|join('|')", "map(attribute='name')|list", "map(attribute='tag.x', default=0)|list", "select('string')|list", "reject('none')|list", 'select|list', "selectattr('admin')|list", "selectattr('age', 'gt', 3)|list",
  "rejectattr('name', 'equalto', 'Bo')|map(attribute='name')|join", "sort(attribute='age')", "sort(attribute='age,name')|map(attribute='name')|list", "join('-', attribute='name')", 'string', "sum(attribute='age')",
  "map('length')|list", "select('in', ['a', 1])|list", "map('default', 'z')|list", 'reverse|list', "select('odd')|list"];
const OTHER_FILTERS = ['tojson', 'tojson(sort_keys=true)', 'string', 'length', "default('d', true)", 'items|list', 'dictsort', "dictsort(by='value')", 'dictsort(reverse=true)', 'abs', 'int', 'round', 'round(1)', "round(0, 'floor')", "round(1, 'ceil')", 'float', 'list'];
const TESTS = ['defined', 'undefined', 'none', 'string', 'mapping', 'sequence', 'iterable', 'number', 'integer', 'float', 'boolean', 'true', 'false', 'odd', 'even', 'divisibleby 3', 'in [1, "x"]', 'eq 1', 'equalto "x"',
  'callable', 'upper', 'lower', 'ne none', 'gt 2', 'lessthan(2)', 'sameas none', 'not none', 'not defined', "in 'xyz'"];
const METHODS = ['strip()', "strip('xH ')", 'lstrip()', 'rstrip()', 'split()', "split('l')", "split(' ', 1)", 'split(none, 1)', 'rsplit()', "rsplit('l', 1)", 'rsplit(none, 1)', "startswith('H')", "endswith('d')", "startswith(('x', 'H'))", 'upper()', 'lower()',
  'title()', 'capitalize()', "replace('l', '')", "replace('o', '00', 1)", "find('o')", "find('o', 5)", "rfind('o')", "count('l')", "join(['p', 'q'])", 'splitlines()', "removeprefix('He')", "removesuffix('ld')", 'isdigit()', 'isalpha()',
  'isupper()', 'islower()', 'isspace()', "format(1, 'b')", "index('W')", 'isalnum()', "find('')"];
const DICT_METHODS = ["get('a')", "get('zz')", "get('zz', 5)", 'items()|list', 'keys()|list', 'values()|list', 'a', "b + 1", 'missing', 'C'];
const SLICES = ['[0]', '[-1]', '[1:]', '[:2]', '[::-1]', '[1:3]', '[::2]', '[-2:]', '[:-1]', '[9]', '[5:1:-2]', '[9:]', '[-9:2]'];

export function expression(r, depth) {
  const sub = () => expression(r, depth - 1);
  if (depth <= 0) return r.pick(r.pick([STRINGS, NUMBERS, LISTS, OTHERS]));
  switch (r.below(20)) {
    case 0: return `${r.pick(NUMBERS)} ${r.pick(NUMERIC_OPS)} ${r.pick(NUMBERS)}`;
    case 1: return `(${sub()}) ${r.pick(NUMERIC_OPS)} (${sub()})`;
    case 2: return `(${sub()}) ~ (${sub()})`;
    case 3: return `(${sub()}) ${r.pick(COMPARISONS)} (${sub()})`;
    case 4: return `${r.pick(STRINGS)}|${r.pick(STRING_FILTERS)}`;
    case 5: return `${r.pick(LISTS)}|${r.pick(LIST_FILTERS)}`;
    case 6: return `(${sub()})|${r.pick(r.pick([STRING_FILTERS, LIST_FILTERS, OTHER_FILTERS]))}`;
    case 7: return `(${sub()}) is ${r.pick(TESTS)}`;
    case 8: return `${r.pick(STRINGS)}.${r.pick(METHODS)}`;
    case 9: return `(${r.pick(STRINGS)}|string).${r.pick(METHODS)}`;
    case 10: return `record.${r.pick(DICT_METHODS)}`;
    case 11: return `${r.pick([...STRINGS, ...LISTS])}${r.pick(SLICES)}`;
    case 12: return `${sub()} if ${sub()} else ${sub()}`;
    case 13: return `${sub()} ${r.pick(['and', 'or'])} ${sub()}`;
    case 14: return `not ${sub()}`;
    case 15: return `[${sub()}, ${sub()}]`;
    case 16: return `{'k': ${sub()}, 'l': ${sub()}}`;
    case 17: return `${r.pick(NUMBERS)} ${r.pick(['<', '<=', '>', '=='])} ${r.pick(NUMBERS)} ${r.pick(['<', '!=', '>='])} ${r.pick(NUMBERS)}`;
    case 18: return `-${r.pick(NUMBERS)}${r.pick(['', '|abs', ' ** 2', '|round(1)'])}`;
    default: return `${r.pick([...STRINGS, ...LISTS])}|${r.pick(['length', 'first', 'last'])} ${r.pick(COMPARISONS)} ${r.pick(NUMBERS)}`;
  }
}

const SPACE = ['', '', ' ', '\n', '  \n', '\n  ', '\n\n', '\t'];
const WORDS = ['text', 'a {b} c', '}}', '# no', '你', "'"];

// Blocks of every kind with white space and its marks wherever they may stand.
export function template(r, depth) {
  const open = () => r.pick(['{%', '{%', '{%-', '{%+']);
  const close = () => r.pick(['%}', '%}', '-%}', '+%}']);
  const tag = (text) => `${r.pick(SPACE)}${open()} ${text} ${close()}${r.pick(SPACE)}`;
  const body = () => (depth > 0 ? template(r, depth - 1) : r.pick(WORDS));
  const value = () => expression(r, 1);
  let out = '';
  for (let i = 1 + r.below(3); i > 0; --i) {
    switch (r.below(13)) {
      case 0: out += r.pick(WORDS) + r.pick(SPACE); break;
      case 1: out += `${r.pick(SPACE)}${r.pick(['{{', '{{-'])} ${value()} ${r.pick(['}}', '-}}'])}${r.pick(SPACE)}`; break;
      case 2: out += tag(`if ${value()}`) + body() + tag(`elif ${value()}`) + body() + tag('else') + body() + tag('endif'); break;
      case 3: out += tag(`for x in ${r.pick(LISTS)}`) + `{{ x }}{{ loop.${r.pick(['index', 'index0', 'first', 'last', 'length', 'revindex', 'previtem', 'nextitem', 'depth'])} }}` + body() + tag('else') + body() + tag('endfor'); break;
      case 4: out += tag(`for k, v in record.items() if ${r.pick(['v', 'k != "a"', 'v is string', 'true'])}`) + '{{ k }}={{ v }}{{ loop.cycle("o", "e") }}' + tag('endfor'); break;
      case 5: out += tag(`set ${r.pick(['y', 'w'])} = ${value()}`) + '{{ y }}{{ w }}'; break;
      case 6: out += tag('set y') + body() + tag('endset') + '[{{ y }}]'; break;
      case 7: out += tag('set y | trim | upper') + body() + tag('endset') + '[{{ y }}]'; break;
      case 8: out += tag('macro m(a, b=2)') + '({{ a }}{{ b }})' + body() + tag('endmacro') + `{{ m(${value()}) }}{{ m(b=${value()}) }}`; break;
      case 9: out += `${tag('set ns = namespace(c=0, last=none)')}${tag(`for x in ${r.pick(LISTS)}`)}${tag('if loop.index > 2')}${tag(r.pick(['break', 'continue']))}${tag('endif')}${tag('set ns.c = ns.c + 1')}${tag('set ns.last = x')}${tag('endfor')}{{ ns.c }}{{ ns.last }}`; break;
      case 10: out += `${r.pick(SPACE)}${r.pick(['{#', '{#-'])} a {{ comment }} ${r.pick(['#}', '-#}'])}${r.pick(SPACE)}`; break;
      case 11: out += tag('raw') + '{{ x }}{% y %}' + tag('endraw'); break;
      default: {
        const [first, last] = r.pick([['generation', 'endgeneration'], ['filter upper', 'endfilter'], ['with y = 3, z = n', 'endwith']]);
        out += tag(first) + body() + tag(last);
      }
    }
  }
  return out;
}
