// The console: what is typed goes to POST /v1/understand at every change, without a session; Enter sends it as a turn.
'use strict';

const $ = (id) => document.getElementById(id);
const EXAMPLES = ['帮我订明天去上海的火车票', '北京后天会下雨吗', '早上七点半叫我起床', '把客厅的灯调暗一点', '转五百块给张伟',
  'book a table for four at 7 pm', 'play some jazz', "what's the weather in Paris tomorrow", 'who invented the train'];
const newId = () => 'console-' + Math.random().toString(36).slice(2, 10);
let session = newId();
let sequence = 0;      // Of requests sent; an older answer than the one shown is dropped.
let shown = 0;

// Makes an element: make('li', {class: 'x'}, 'text', child, ...).
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function hueOf(name) {
  let hash = 0;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) % 360;
  return hash;
}

async function understand(body) {
  const headers = {'content-type': 'application/json'};
  if ($('key').value) headers.authorization = 'Bearer ' + $('key').value;
  const response = await fetch('/v1/understand', {
    method: 'POST', headers,
    body: JSON.stringify({...body, utc_offset_minutes: -new Date().getTimezoneOffset()}),
  });
  const answer = await response.json();
  if (response.status === 401) $('key-row').hidden = false;
  if (!response.ok) throw new Error(answer.error.message);
  return answer;
}

function showBar(list, name, share, label) {
  const fill = make('i');
  fill.style.width = Math.round(100 * Math.min(1, Math.max(0, share))) + '%';
  list.append(make('li', {}, make('span', {}, name), make('span', {class: 'bar'}, fill), make('span', {}, label)));
}

function showIntents(answer) {
  $('intents').replaceChildren();
  for (const intent of answer.intent_ranking) {
    showBar($('intents'), intent.name, intent.confidence, (100 * intent.confidence).toFixed(1) + ' %');
  }
  $('scope').hidden = !answer.out_of_scope;
}

function showSlots(answer) {
  const text = $('annotated');
  text.replaceChildren();
  text.lang = answer.locale;
  let at = 0;
  for (const slot of answer.slots) {
    const [begin, end] = slot.span.utf16;
    const mark = make('mark', {'data-slot': slot.name, title: slot.name + ': ' + slot.value}, answer.text.slice(begin, end));
    mark.style.setProperty('--hue', hueOf(slot.name));
    text.append(answer.text.slice(at, begin), mark);
    at = end;
  }
  text.append(answer.text.slice(at));
  const body = $('slots').tBodies[0];
  body.replaceChildren(...answer.slots.map((slot) => make('tr', {},
    make('td', {}, slot.name), make('td', {}, slot.value), make('td', {}, slot.normalized ?? ''),
    make('td', {}, (100 * slot.confidence).toFixed(0) + ' %'))));
  $('slots').hidden = answer.slots.length === 0;
}

function showTimings(answer) {
  const timings = Object.entries(answer.timings_us);
  const longest = Math.max(1, ...timings.map(([, us]) => us));
  $('timings').replaceChildren();
  for (const [stage, us] of timings) showBar($('timings'), stage, us / longest, us.toFixed(1) + ' µs');
  $('delivery').textContent = `delivered: ${answer.delivery.mode} (${answer.delivery.reason})`;
}

function showSession(state) {
  $('session-id').textContent = session;
  const rows = [];
  const row = (name, value) => rows.push(make('dt', {}, name), make('dd', {}, value));
  if (state) {
    row('turn', String(state.turn));
    row('active intent', state.active_intent ?? 'none');
    for (const [name, slot] of Object.entries(state.filled)) {
      row(name, slot.value + (slot.normalized ? ` (${slot.normalized})` : ''));
    }
    if (state.missing.length > 0) row('missing', state.missing.join(', '));
  }
  $('state').replaceChildren(...rows);
}

function show(answer) {
  showIntents(answer);
  showSlots(answer);
  showTimings(answer);
  $('json').textContent = JSON.stringify(answer, null, 2);
}

function showError(error) {
  $('error').textContent = error ? error.message : '';
  $('error').hidden = !error;
}

// Puts what was said into the conversation; gives the place of the reply.
function beginTurn(text) {
  const said = make('li', {}, text);
  const reply = make('li', {class: 'reply'}, '…');
  $('turns').append(said, reply);
  $('turns').scrollTop = $('turns').scrollHeight;
  return {said, reply};
}

// Sends what is typed; `isTurn` makes it part of the conversation, whose answers all count, also those that come late.
async function send(text, isTurn) {
  const number = ++sequence;
  const turn = isTurn ? beginTurn(text) : null;
  try {
    const answer = await understand(turn ? {text, session, reply: true} : {text});
    if (turn) {
      turn.reply.textContent = answer.reply.text || '…';
      if (answer.session.id === session) showSession(answer.session);
    }
    if (number < shown) return;
    shown = number;
    showError(null);
    show(answer);
  } catch (error) {
    turn?.said.remove();
    turn?.reply.remove();
    if (turn && !$('text').value) $('text').value = text;
    if (number >= shown) showError(error);
  }
}

function clearText() {
  shown = ++sequence;  // What is still under way comes too late.
  $('text').value = '';
  $('annotated').replaceChildren();
  $('intents').replaceChildren();
  $('slots').hidden = true;
  $('timings').replaceChildren();
  $('delivery').textContent = '';
  $('json').textContent = '';
  $('scope').hidden = true;
  showError(null);
}

async function showStatus() {
  const say = (state, words) => {
    $('status').dataset.state = state;
    if ($('status').textContent !== words) $('status').textContent = words;
  };
  try {
    const response = await fetch('/readyz');
    say(response.ok ? 'good' : 'bad', response.ok ? 'ready' : 'not ready');
  } catch {
    say('bad', 'the server does not answer');
  }
}

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value;
  if (!text.trim()) return;
  $('text').value = '';
  send(text, true);
});
$('text').addEventListener('input', () => ($('text').value ? send($('text').value, false) : clearText()));
$('key').addEventListener('change', () => $('text').value && send($('text').value, false));
$('new-session').addEventListener('click', () => {
  session = newId();
  $('turns').replaceChildren();
  showSession(null);
  $('text').focus();
});
document.addEventListener('keydown', (event) => {
  if (event.isComposing) return;  // The keys belong to the input method.
  if (event.key === 'Escape') {
    clearText();
    $('text').focus();
  } else if (event.key === '/' && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    $('text').focus();
  }
});
for (const example of EXAMPLES) {
  const button = make('button', {type: 'button'}, example);
  button.addEventListener('click', () => {
    $('text').value = example;
    $('text').focus();
    send(example, false);
  });
  $('examples').append(button);
}
showSession(null);
showStatus();
setInterval(showStatus, 5000);
