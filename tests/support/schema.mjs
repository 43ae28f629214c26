// Checks a value against the part of JSON Schema that openapi/loquat.yaml uses. A keyword it does not know is an error,
// so that nothing in the document goes unchecked by accident.

const ANNOTATIONS = new Set(['description', 'default', 'examples', 'title']);

const TYPES = {
  object: (v) => typeof v === 'object' && v !== null && !Array.isArray(v),
  array: Array.isArray,
  string: (v) => typeof v === 'string',
  number: (v) => typeof v === 'number',
  integer: Number.isInteger,
  boolean: (v) => typeof v === 'boolean',
  null: (v) => v === null,
};

const KEYWORDS = {
  type: (wanted, value) => [wanted].flat().some((type) => TYPES[type](value)) || `is not ${wanted}`,
  enum: (allowed, value) => allowed.includes(value) || `is none of ${allowed}`,
  pattern: (pattern, value) => !TYPES.string(value) || new RegExp(pattern).test(value) || `does not match ${pattern}`,
  minLength: (n, value) => !TYPES.string(value) || value.length >= n || 'is too short',
  maxLength: (n, value) => !TYPES.string(value) || value.length <= n || 'is too long',
  minimum: (n, value) => !TYPES.number(value) || value >= n || `is below ${n}`,
  maximum: (n, value) => !TYPES.number(value) || value <= n || `is above ${n}`,
  minItems: (n, value) => !TYPES.array(value) || value.length >= n || 'has too few items',
  maxItems: (n, value) => !TYPES.array(value) || value.length <= n || 'has too many items',
  required: (names, value) => !TYPES.object(value) || names.every((name) => name in value) || `lacks one of ${names}`,
};

export class SchemaChecker {
  constructor(document) {
    this.document = document;
  }
  resolve(schema) {
    for (; schema.$ref; schema = this.at(schema.$ref));
    return schema;
  }
  at(reference) {
    const found = reference.replace(/^#\//, '').split('/').reduce((node, part) => node?.[part.replaceAll('~1', '/')], this.document);
    if (found === undefined) throw new Error(`nothing is at ${reference}`);
    return found;
  }
  // The list of what is wrong; empty: the value fits.
  faults(schema, value, where = '') {
    schema = this.resolve(schema);
    const faults = [];
    for (const [keyword, rule] of Object.entries(schema)) {
      if (keyword in KEYWORDS) {
        const verdict = KEYWORDS[keyword](rule, value);
        if (verdict !== true) faults.push(`${where || '/'} ${verdict}: ${JSON.stringify(value)?.slice(0, 100)}`);
      } else if (keyword === 'properties') {
        for (const [name, inner] of Object.entries(rule)) {
          if (TYPES.object(value) && name in value) faults.push(...this.faults(inner, value[name], `${where}/${name}`));
        }
      } else if (keyword === 'additionalProperties') {
        for (const name of TYPES.object(value) ? Object.keys(value) : []) {
          if (name in (schema.properties ?? {})) continue;
          if (rule === false) faults.push(`${where}/${name} is not in the schema`);
          else faults.push(...this.faults(rule, value[name], `${where}/${name}`));
        }
      } else if (keyword === 'items') {
        if (TYPES.array(value)) value.forEach((item, i) => faults.push(...this.faults(rule, item, `${where}/${i}`)));
      } else if (keyword === 'allOf') {
        for (const part of rule) faults.push(...this.faults(part, value, where));
      } else if (keyword === 'oneOf') {
        const verdicts = rule.map((part) => this.faults(part, value, where));
        const fits = verdicts.filter((verdict) => verdict.length === 0).length;
        if (fits !== 1) faults.push(`${where || '/'} fits ${fits} of oneOf: ${verdicts.flat().join('; ')}`);
      } else if (!ANNOTATIONS.has(keyword)) {
        faults.push(`${where} the schema has the keyword ${keyword}, which this checker does not know`);
      }
    }
    return faults;
  }
}
