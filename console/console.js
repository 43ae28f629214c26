// The console: what is typed goes to /v1/stream at every change, and the frame is revised as it comes back; Enter ends the
// turn.
'use strict';

const $ = (id) => document.getElementById(id);
const EXAMPLES = ['帮我订明天去上海的火车票', '北京后天会下雨吗', '早上七点半叫我起床', '把客厅的灯调暗一点', '转五百块给张伟',
  'book a table for four at 7 pm', 'play some jazz', "what's the weather in Paris tomorrow", 'who invented the train'];
const newId = () => 'console-' + Math.random().toString(36).slice(2, 10);
const RACE_COLUMNS = 60;
let session = newId();
let utterance = 0;       // Number of the one that is being typed.
let typed = false;       // Some of it was sent.
let shown = 0;           // Number of the one whose frame is shown.
let sentAt = 0;          // Of the last update, for the round trip.
const turns = new Map(); // Utterance to {text, said, reply}: said, and not yet answered.

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

function showBar(list, name, share, label) {
  const fill = make('i');
  fill.style.width = Math.round(100 * Math.min(1, Math.max(0, share))) + '%';
  list.append(make('li', {}, make('span', {}, name), make('span', {class: 'bar'}, fill), make('span', {}, label)));
}

function showIntents(frame) {
  $('intents').replaceChildren();
  for (const intent of frame.intent_ranking) {
    showBar($('intents'), intent.name, intent.confidence, (100 * intent.confidence).toFixed(1) + ' %');
  }
  $('intents').dataset.stable = frame.stable.intent;
  $('scope').hidden = !frame.out_of_scope;
}

// One column an update: the shares of the intents, and below them the time that the update took.
function showRace(frame, roundTrip) {
  if ($('race').dataset.utterance !== frame.utterance) {
    $('race').dataset.utterance = frame.utterance;
    $('race').replaceChildren();
  }
  const us = frame.timings_us.total ?? 0;
  const column = make('li', {title: `"${frame.text}" ${us.toFixed(0)} µs in the server, ${roundTrip.toFixed(1)} ms to and fro`});
  const shares = make('span', {class: 'shares'});
  for (const intent of frame.intent_ranking.toReversed()) {
    const share = make('i', {'data-intent': intent.name});
    share.style.height = (100 * intent.confidence).toFixed(1) + '%';
    share.style.setProperty('--hue', hueOf(intent.name));
    shares.append(share);
  }
  const latency = make('span', {class: 'latency'}, make('i'));
  latency.firstChild.style.height = Math.min(100, us / 10).toFixed(1) + '%';  // A whole bar is a millisecond.
  column.dataset.stable = frame.stable.intent;
  column.append(shares, latency);
  $('race').append(column);
  while ($('race').children.length > RACE_COLUMNS) $('race').firstChild.remove();
  const leader = frame.intent_ranking[0];
  $('race-legend').textContent = leader === undefined ? '' :
    `${leader.name} ${frame.stable.intent ? 'is decided' : 'leads'}; update ${frame.revision} took ${us.toFixed(0)} µs in the server, ${roundTrip.toFixed(1)} ms to and fro`;
}

function showSlots(answer) {
  const text = $('annotated');
  text.replaceChildren();
  text.lang = answer.locale;
  text.dataset.stable = answer.stable.intent;
  let at = 0;
  for (const [index, slot] of answer.slots.entries()) {
    const [begin, end] = slot.span.utf16;
    const mark = make('mark', {'data-slot': slot.name, 'data-stable': answer.stable.slots[index],
      title: slot.name + ': ' + slot.value}, answer.text.slice(begin, end));
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

function showTimings(timingsUs) {
  const timings = Object.entries(timingsUs);
  const longest = Math.max(1, ...timings.map(([, us]) => us));
  $('timings').replaceChildren();
  for (const [stage, us] of timings) showBar($('timings'), stage, us / longest, us.toFixed(1) + ' µs');
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

function show(frame) {
  showIntents(frame);
  showSlots(frame);
  showTimings(frame.timings_us);
  showRace(frame, performance.now() - sentAt);
  $('json').textContent = JSON.stringify(frame, null, 2);
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

const on = {
  // After a drop: what was still arriving is sent again, and what cannot be answered any more is given back.
  opened(event) {
    if (typed && $('text').value) update($('text').value);
    for (const [name, turn] of turns) {
      const lost = turn.sent && !event.resumed;
      turn.sent = true;  // What waited goes now.
      if (!lost) continue;
      on.error({error: {message: 'the connection was lost before the answer came; send it again'}});
      on.turn_end({utterance: name});
    }
  },
  frame(event) {
    const number = Number(event.utterance);
    if (number < shown) return;
    if (!event.final && (number !== utterance || !typed)) return;  // It was sent or cleared meanwhile.
    shown = number;
    showError(null);
    show(event);
  },
  reply_delta(event) {
    const turn = turns.get(event.utterance);
    if (turn) turn.reply.textContent = (turn.reply.dataset.streamed ? turn.reply.textContent : '') + event.text;
    if (turn) turn.reply.dataset.streamed = 'true';
  },
  reply(event) {
    const turn = turns.get(event.utterance);
    if (turn) turn.reply.textContent = event.text || '…';
  },
  turn_end(event) {
    const turn = turns.get(event.utterance);
    turns.delete(event.utterance);
    if (event.delivery) {
      showTimings(event.timings_us);
      $('delivery').textContent = `delivered: ${event.delivery.mode} (${event.delivery.reason})`;
      showSession(event.session);
    } else if (turn) {
      turn.said.remove();
      turn.reply.remove();
      if (!$('text').value) $('text').value = turn.text;
    }
  },
  error(event) {
    showError(event.error);
  },
};

// An address that needs a key refuses the WebSocket, and does not tell the page why; this request does.
async function askForKey() {
  const headers = $('key').value ? {authorization: 'Bearer ' + $('key').value} : {};
  const response = await fetch('/v1/understand', {method: 'POST', headers, body: '{"text": ""}'}).catch(() => null);
  if (response?.status !== 401) return;
  showError((await response.json()).error);
  $('key-row').hidden = false;
}

function openStream() {
  return new LiveStream({
    open: () => ({session, reply: true, resume: true, utc_offset_minutes: -new Date().getTimezoneOffset()}),
    on: (event) => on[event.type]?.(event),
    onState: (state, error) => {
      if (state === 'open') return showError(null);
      showError(error ?? {message: 'the connection to the server is lost; trying again'});
      askForKey();
    },
    key: () => $('key').value,
  });
}
let stream = openStream();

// Sends what is typed so far.
function update(text) {
  if (!typed) ++utterance;
  typed = true;
  sentAt = performance.now();
  stream.send({type: 'partial', utterance: String(utterance), text});
}

function endTurn(text) {
  if (stream.down) {  // What cannot be said stays where it is.
    $('text').value = text;
    return;
  }
  update(text);
  typed = false;
  const turn = {text, ...beginTurn(text)};
  turns.set(String(utterance), turn);
  turn.sent = stream.send({type: 'final', utterance: String(utterance)});
}

function clearText() {
  if (typed) stream.send({type: 'cancel', utterance: String(utterance)});
  typed = false;
  shown = utterance + 1;  // What is still under way comes too late.
  $('text').value = '';
  for (const id of ['annotated', 'intents', 'timings', 'race']) $(id).replaceChildren();
  for (const id of ['delivery', 'json', 'race-legend']) $(id).textContent = '';
  $('slots').hidden = true;
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
  endTurn(text);
});
$('text').addEventListener('input', () => ($('text').value ? update($('text').value) : clearText()));
$('key').addEventListener('change', () => stream.retry());
$('new-session').addEventListener('click', () => {
  session = newId();
  stream.close();
  turns.clear();
  typed = false;
  stream = openStream();
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
    update(example);
  });
  $('examples').append(button);
}
showSession(null);
showStatus();
setInterval(showStatus, 5000);
