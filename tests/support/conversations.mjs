// Conversations of every kind that a chat template meets, and random ones.

const weather = {type: 'function', function: {name: 'get_weather', description: 'The weather of a city.\nToday or later.',
  parameters: {type: 'object', properties: {city: {type: 'string', description: 'City, "as written"'}, unit: {type: 'string', enum: ['°C', '°F']},
    days: {type: 'array', items: {type: 'integer'}}}, required: ['city']}}};
const search = {type: 'function', function: {name: 'search_web', description: "It's <quick> & 'dirty'", parameters: {type: 'object', properties: {
  query: {type: 'string'}, limit: {type: 'number', default: 2.5}, filter: {type: 'object', properties: {before: {type: 'string'}, safe: {type: 'boolean'}}}}, required: []}}};
const empty = {type: 'function', function: {name: 'now', description: '', parameters: {}}};

const turn = (role, content, more = {}) => ({role, content, ...more});
const call = (name, args, id = 'a1b2c3d4e') => ({id, type: 'function', function: {name, arguments: args}});

const TEXTS = ['Hello', '  padded\n', '', 'line one\nline two', '你好,世界', 'emoji 👨‍👩‍👧 and 🇩🇪', '{{ not }} {% code %} {# here #}', '<|im_end|>', 'tab\tquote " \' \\ back',
  '<think>\nhm, 2 + 2\n</think>\n\nfour', 'ends in space   ', '\u00a0wide\u3000', 'ключ', 'null\u0000byte', 'a\r\nb', '</think>', '<tool_response>\nx\n</tool_response>'];

export const CONVERSATIONS = {
  'one question': {messages: [turn('user', 'Hi')]},
  'system and question': {messages: [turn('system', ' Be kind. '), turn('user', 'Hi')]},
  'many turns': {messages: [turn('system', 'S'), turn('user', 'a'), turn('assistant', 'b'), turn('user', 'c'), turn('assistant', 'd'), turn('user', 'e')]},
  'ends with the assistant': {messages: [turn('user', 'a'), turn('assistant', 'b')], add_generation_prompt: false},
  'no messages': {messages: []},
  'empty texts': {messages: [turn('system', ''), turn('user', ''), turn('assistant', ''), turn('user', '')]},
  'tools offered': {messages: [turn('user', 'Weather?')], tools: [weather, search, empty]},
  'tools offered with a system turn': {messages: [turn('system', 'Use them.'), turn('user', 'Weather?')], tools: [weather]},
  'no tools in the list': {messages: [turn('user', 'x')], tools: []},
  'a tool called': {messages: [turn('user', 'Weather?'), turn('assistant', null, {tool_calls: [call('get_weather', {city: '北京', unit: '°C', days: [1, 2.5, true, null]})]}),
    turn('tool', '{"t": 21}', {tool_call_id: 'a1b2c3d4e', name: 'get_weather'})], tools: [weather]},
  'a tool called with words': {messages: [turn('user', 'Weather?'), turn('assistant', 'Let me look.', {tool_calls: [call('get_weather', {})]}),
    turn('tool', 'sunny', {tool_call_id: 'a1b2c3d4e'}), turn('assistant', 'It is sunny.'), turn('user', 'Thanks')], tools: [weather]},
  'two tools called': {messages: [turn('user', 'Both'), turn('assistant', '', {tool_calls: [call('get_weather', {city: 'Rome'}), call('search_web', {query: "it's", limit: 3}, 'abcdefghi')]}),
    turn('tool', '1', {tool_call_id: 'a1b2c3d4e'}), turn('tool', '2', {tool_call_id: 'abcdefghi'})], tools: [weather, search]},
  'a bad call id': {messages: [turn('user', 'x'), turn('assistant', '', {tool_calls: [call('now', {}, 'short')]})], tools: [empty]},
  'thinking in the text': {messages: [turn('user', 'a'), turn('assistant', '<think>\nplan\n</think>\n\nanswer'), turn('user', 'b')]},
  'thinking beside the text': {messages: [turn('user', 'a'), turn('assistant', 'answer', {reasoning_content: '\nplan\n'}), turn('user', 'b'),
    turn('assistant', '', {reasoning_content: 'more', tool_calls: [call('now', {})]}), turn('tool', 'late', {tool_call_id: 'a1b2c3d4e'})], tools: [empty]},
  'thinking switched off': {messages: [turn('user', 'a')], enable_thinking: false},
  'thinking switched on': {messages: [turn('user', 'a')], enable_thinking: true},
  'turns out of order': {messages: [turn('assistant', 'a'), turn('user', 'b'), turn('user', 'c')]},
  'an unknown role': {messages: [turn('user', 'a'), turn('critic', 'b')]},
  'parts as content': {messages: [turn('user', [{type: 'text', text: 'Look: '}, {type: 'image'}, {type: 'text', text: 'nice'}])]},
  'a result that is an object': {messages: [turn('user', 'x'), turn('assistant', '', {tool_calls: [call('now', {})]}), turn('tool', {content: {time: 12}}, {tool_call_id: 'a1b2c3d4e'})], tools: [empty]},
  'extra variables': {messages: [turn('system', 'S'), turn('user', 'a')], tools: [weather], tools_in_user_message: false, date_string: '1 May 2026', builtin_tools: ['code', 'search_web']},
  'a built-in tool called': {messages: [turn('user', 'a'), turn('assistant', '', {tool_calls: [call('search_web', {query: 'x', limit: 1})]})], builtin_tools: ['code', 'search_web']},
  'every odd text': {messages: [turn('system', TEXTS[5]), ...TEXTS.map((text, i) => turn(i % 2 === 0 ? 'user' : 'assistant', text))]},
};

export const contextOf = (conversation) => ({add_generation_prompt: true, bos_token: '<s>', eos_token: '</s>', ...conversation});

export function randomConversation(random) {
  const text = () => Array.from({length: random.below(3)}, () => random.pick(TEXTS)).join(random.pick(['', ' ', '\n']));
  const messages = random.below(2) ? [turn('system', text())] : [];
  for (let i = random.below(7); i > 0; --i) {
    messages.push(turn('user', text()));
    const kind = random.below(4);
    if (kind === 0) break;
    const more = random.below(3) === 0 ? {reasoning_content: text()} : {};
    if (kind === 1) {
      messages.push(turn('assistant', random.below(2) ? text() : '', {...more, tool_calls: [call('get_weather', {city: text(), n: random.below(1000), x: random.below(8) / 8})]}));
      for (let k = 1 + random.below(2); k > 0; --k) messages.push(turn('tool', text(), {tool_call_id: 'a1b2c3d4e'}));
    }
    messages.push(turn('assistant', text(), more));
  }
  const context = {messages, add_generation_prompt: random.below(2) === 0};
  if (random.below(2)) context.tools = [weather, search, empty].slice(0, random.below(4));
  if (random.below(3) === 0) context.enable_thinking = random.below(2) === 0;
  return context;
}
