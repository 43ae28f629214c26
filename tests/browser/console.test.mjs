// The console in a real browser: what a person sees and does. Screenshots go to build/test-results.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {after, before, test} from 'node:test';
import {chromium} from 'playwright-core';
import {RESULTS} from '../support/paths.mjs';
import {sharedServer, startServer} from '../support/server.mjs';
import {BOUND_MS} from '../support/wait.mjs';

const CHROMIUM = process.env.LOQUAT_CHROMIUM ?? '/usr/bin/chromium';
const ARGS = ['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

const shared = sharedServer();
let browser;
before(async () => {
  fs.mkdirSync(RESULTS, {recursive: true});
  browser = await chromium.launch({executablePath: CHROMIUM, args: ARGS});
});
after(async () => browser?.close());

// A page on the console that fails the test on any error of its own: script errors, console errors, CSP violations,
// requests that fail or leave the server.
async function open(options = {}, server = undefined) {
  const {url} = server ?? (await shared.ready());
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, locale: 'en-GB', ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(BOUND_MS);
  const faults = [];
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && faults.push(`console: ${message.text()}`));
  page.on('requestfailed', (request) => faults.push(`request: ${request.url()} ${request.failure().errorText}`));
  page.on('request', (request) => request.url().startsWith(url) || request.url().startsWith('data:') || faults.push(`left the server: ${request.url()}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(`${url}/console`, {waitUntil: 'load'});
  return {page, faults, close: async () => {
    await context.close();
    assert.deepEqual(faults, []);
  }};
}

// Types and waits for the frame of exactly this text.
async function say(page, text) {
  await page.fill('#text', text);
  await page.waitForFunction((wanted) => {
    const json = document.querySelector('#json').textContent;
    return json !== '' && JSON.parse(json).text === wanted;
  }, text);
}

const intents = (page) => page.locator('#intents li span:first-child').allTextContents();
const marks = (page) => page.locator('#annotated mark').evaluateAll((all) => all.map((mark) => [mark.dataset.slot, mark.textContent]));
// Waits until `count` turns have their reply.
const replies = (page, count) => page.waitForFunction((wanted) =>
  [...document.querySelectorAll('#turns li.reply')].filter((reply) => reply.textContent !== '…').length === wanted, count);
const screenshot = (page, name) => page.screenshot({path: path.join(RESULTS, `console-${name}.png`), fullPage: true});

test('the page loads without errors and is ready', async () => {
  const {page, close} = await open();
  assert.equal(await page.title(), 'Loquat console');
  await page.locator('#status', {hasText: 'ready'}).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text', 'one can type at once');
  await screenshot(page, 'empty');
  await close();
});

test('the frame changes while one types: intent bars, slots in the text, timings, JSON', async () => {
  const {page, close} = await open();
  await say(page, '北京明天天气怎么样');
  assert.equal((await intents(page))[0], 'query_weather');
  assert.deepEqual(await marks(page), [['city', '北京'], ['date', '明天']]);
  assert.equal(await page.locator('#annotated').evaluate((p) => p.textContent), '北京明天天气怎么样');
  const width = await page.locator('#intents li:first-child .bar i').evaluate((bar) => bar.getBoundingClientRect().width);
  assert.ok(width > 50, `the first bar is ${width} px wide`);
  assert.ok((await page.locator('#slots tbody tr').count()) === 2);
  assert.ok((await page.locator('#timings li').count()) >= 3);
  await say(page, 'play some jazz');
  assert.equal((await intents(page))[0], 'play_music');
  assert.deepEqual(await marks(page), [['genre', 'jazz']]);
  await page.keyboard.press('Enter');
  await page.locator('#delivery', {hasText: 'stream'}).waitFor();
  await close();
});

test('the live view: tentative words are grey, stable ones firm, and the intents race, a column an update', async () => {
  const {page, close} = await open();
  await page.locator('#status', {hasText: 'ready'}).waitFor();
  const text = '北京明天天气怎么样';
  for (let end = 1; end <= text.length; ++end) await say(page, text.slice(0, end));
  const columns = await page.locator('#race li').evaluateAll((all) => all.map((li) => ({title: li.title, shares: li.querySelectorAll('.shares i').length})));
  assert.equal(columns.length, text.length);
  assert.ok(columns.every(({title, shares}) => /µs in the server, [\d.]+ ms to and fro/.test(title) && shares > 0), JSON.stringify(columns));
  assert.match(await page.locator('#race-legend').textContent(), /^query_weather (leads|is decided); update 9 took \d+ µs/);
  const colours = () => page.locator('#annotated mark').evaluateAll((all) => all.map((mark) => [mark.dataset.stable, getComputedStyle(mark).fontWeight]));
  for (const [stable, weight] of await colours()) assert.equal(weight === '600', stable === 'true');
  await screenshot(page, 'live');
  await page.keyboard.press('Enter');
  await replies(page, 1);
  assert.deepEqual(await colours(), [['true', '600'], ['true', '600']], 'a final frame is firm');
  await close();
});

test('a connection that drops is taken up again', async () => {
  const {page, close} = await open();
  const sent = [];
  page.on('websocket', (socket) => socket.on('framesent', ({payload}) => sent.push(JSON.parse(payload))));
  await say(page, 'play some jazz');
  await page.evaluate(() => stream.socket.close());
  await say(page, 'play some rock');
  const updates = sent.filter(({type, text}) => type === 'partial' && text === 'play some rock');
  assert.equal(updates.length, 1, 'what waited for the connection is sent once');
  await page.keyboard.press('Enter');
  await replies(page, 1);
  assert.match(await page.locator('#state').innerText(), /turn\s+1/);
  await close();
});

test('slots are marked right behind emoji and combining marks', async () => {
  const {page, close} = await open();
  await say(page, '😀 e\u0301 👍🏽 北京明天天气怎么样 👨‍👩‍👧‍👦🇨🇳');
  const found = await marks(page);
  for (const mark of [['city', '北京'], ['date', '明天']]) assert.ok(found.some((m) => m[0] === mark[0] && m[1] === mark[1]), JSON.stringify(found));
  await close();
});

test('text that looks like a page stays text', async () => {
  const {page, close} = await open();
  const hostile = '<img src=x onerror=alert(1)><b>weather in Paris</b> </script>';
  await say(page, hostile);
  assert.equal(await page.locator('#annotated').evaluate((p) => p.textContent), hostile);
  assert.equal(await page.locator('#annotated img, #annotated b').count(), 0);
  await page.keyboard.press('Enter');
  await replies(page, 1);
  assert.equal(await page.locator('#turns img, #turns b').count(), 0);
  await close();
});

test('Enter makes a turn with a reply; the session shows what is known and what is missing', async () => {
  const {page, close} = await open();
  await say(page, '帮我订明天去上海的火车票');
  await page.keyboard.press('Enter');
  await replies(page, 1);
  assert.equal(await page.inputValue('#text'), '');
  assert.equal(await page.locator('#turns li').first().textContent(), '帮我订明天去上海的火车票');
  assert.ok((await page.locator('#turns li.reply').textContent()).length > 2);
  const state = await page.locator('#state').innerText();
  for (const word of ['book_train', '上海', '明天', 'from']) assert.ok(state.includes(word), state);
  await say(page, '从北京');
  await page.keyboard.press('Enter');
  await replies(page, 2);
  assert.ok((await page.locator('#state').innerText()).includes('北京'));
  await page.locator('summary').click();
  await screenshot(page, 'conversation');
  const id = await page.locator('#session-id').textContent();
  await page.click('#new-session');
  assert.notEqual(await page.locator('#session-id').textContent(), id);
  assert.equal(await page.locator('#turns li').count(), 0);
  await close();
});

test('foreign text is marked as out of scope', async () => {
  const {page, close} = await open();
  await say(page, 'who invented the train');
  assert.equal(await page.locator('#scope').isVisible(), true);
  await screenshot(page, 'out-of-scope');
  await say(page, 'play some jazz');
  assert.equal(await page.locator('#scope').isVisible(), false);
  await close();
});

test('Esc clears, / goes to the text, an example is a click away', async () => {
  const {page, close} = await open();
  await say(page, 'play some jazz');
  await page.keyboard.press('Escape');
  assert.equal(await page.inputValue('#text'), '');
  assert.equal(await page.locator('#intents li').count(), 0);
  assert.equal((await page.locator('#annotated').textContent()).trim(), '');
  await page.locator('footer a').first().focus();
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
  assert.equal(await page.inputValue('#text'), '', 'the stroke that focuses is not typed');
  await page.keyboard.type('a/b');
  assert.equal(await page.inputValue('#text'), 'a/b', 'inside of the text it is a stroke like any other');
  const example = page.locator('#examples button').first();
  const text = await example.textContent();
  await example.click();
  assert.equal(await page.inputValue('#text'), text);
  await page.locator('#intents li').first().waitFor();
  await close();
});

test('typing fast shows the frame of the last text, never an older one', async () => {
  const {page, close} = await open();
  await page.focus('#text');
  await page.keyboard.type("what's the weather in Paris tomorrow");
  await page.waitForFunction(() => document.querySelector('#json').textContent.includes('in Paris tomorrow"'));
  assert.equal((await intents(page))[0], 'query_weather');
  await page.keyboard.press('Escape');
  await page.waitForLoadState('networkidle');
  assert.equal(await page.locator('#intents li').count(), 0, 'an answer that comes late does not bring the frame back');
  await close();
});

test('two turns in quick succession are both kept, in order', async () => {
  const {page, close} = await open();
  await page.focus('#text');
  for (const text of ['hello', 'thanks']) {
    await page.keyboard.type(text);
    await page.keyboard.press('Enter');
  }
  await page.keyboard.type('play');
  await replies(page, 2);
  assert.deepEqual(await page.locator('#turns li:not(.reply)').allTextContents(), ['hello', 'thanks']);
  assert.match(await page.locator('#state').innerText(), /turn\s+2/);
  await close();
});

test('the keyboard alone is enough: everything is reached by Tab in the order of the page, with a visible focus', async () => {
  const {page, close} = await open();
  await say(page, 'play some jazz');
  const seen = [];
  for (let i = 0; i < 30; i++) {
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return null;
      const style = getComputedStyle(element);
      return {name: element.id || element.textContent.trim() || element.tagName, outline: parseFloat(style.outlineWidth), top: element.getBoundingClientRect().top + scrollY};
    });
    if (at === null) break;
    seen.push(at);
    await page.keyboard.press('Tab');
  }
  const names = seen.map((at) => at.name);
  for (const name of ['text', 'Send', 'new-session', 'JSON', 'API']) assert.ok(names.includes(name), `${name} of ${names}`);
  for (const at of seen) assert.ok(at.outline >= 2, `${at.name} shows no focus`);
  await close();
});

test('a screen reader finds names for every control and region', async () => {
  const {page, close} = await open();
  const unnamed = await page.evaluate(() => [...document.querySelectorAll('input:not([hidden]), button, a, section')]
    .filter((element) => !(element.textContent.trim() || element.ariaLabel || element.getAttribute('aria-labelledby') || element.labels?.length))
    .map((element) => element.outerHTML.slice(0, 80)));
  assert.deepEqual(unnamed, []);
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  assert.equal(await page.locator('h1').count(), 1);
  await close();
});

// Contrast of text against what lies behind it (WCAG 2.1, 1.4.3).
const contrasts = (page, selectors) => page.evaluate((all) => {
  const channel = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return all.flatMap((selector) => [...document.querySelectorAll(selector)].filter((e) => e.offsetParent).slice(0, 3).map((element) => {
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort((x, y) => y - x);
    return {selector, contrast: (a + 0.05) / (b + 0.05)};
  }));
}, selectors);

const TEXTS = ['h1', 'h2', 'label', '#status', '#annotated', 'mark', '#intents span', '#slots td', '#slots th', '#turns li', '#state dt', '#state dd', '#delivery', 'footer', 'footer a',
  '#examples button', 'button[type=submit]', '#new-session'];

for (const [name, options] of [['narrow', {viewport: {width: 380, height: 800}}], ['dark', {colorScheme: 'dark'}], ['light', {colorScheme: 'light'}],
  ['narrow-dark', {viewport: {width: 320, height: 640}, colorScheme: 'dark'}]]) {
  test(`${name}: nothing overflows, everything can be read`, async () => {
    const {page, close} = await open(options);
    await say(page, '帮我订明天去上海的火车票');
    await page.keyboard.press('Enter');
    await replies(page, 1);
    await say(page, `what's the weather in Paris tomorrow ${'andaverylongwordwithoutanyspace'.repeat(6)}`);
    await page.locator('summary').click();
    const size = await page.evaluate(() => ({inner: innerWidth, scroll: document.documentElement.scrollWidth}));
    assert.ok(size.scroll <= size.inner, `${size.scroll} px on a screen of ${size.inner}`);
    await page.locator('summary').click();
    await say(page, "what's the weather in Paris tomorrow");
    await screenshot(page, name);
    for (const {selector, contrast} of await contrasts(page, TEXTS)) assert.ok(contrast >= 4.5, `${selector}: ${contrast.toFixed(2)}`);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
    assert.equal(background[0] < 128, options.colorScheme === 'dark');
    await close();
  });
}

test('a server with API keys asks for the key and works with it', async () => {
  const crypto = await import('node:crypto');
  const sha256 = crypto.createHash('sha256').update('sesame').digest('hex');
  const server = await startServer({config: {server: {api_keys: [{name: 'me', sha256}]}}});
  try {
    const {page, faults, close} = await open({}, server);
    await page.fill('#text', 'play some jazz');
    await page.locator('#key').waitFor();
    assert.match(await page.locator('#error').textContent(), /API key/);
    await page.fill('#key', 'sesame');
    await say(page, 'play some rock');
    assert.equal((await intents(page))[0], 'play_music');
    assert.equal(await page.locator('#error').isVisible(), false);
    faults.splice(0, faults.length, ...faults.filter((fault) => !/401|HTTP Authentication failed/.test(fault)));
    await close();
  } finally {
    await server.stop();
  }
});

test('when the server goes away the page says so and does not break', async () => {
  const server = await startServer();
  const {page, faults, close} = await open({}, server);
  await say(page, 'play some jazz');
  await server.stop();
  await page.fill('#text', 'hello');
  await page.locator('#error').waitFor();
  assert.ok((await page.locator('#error').textContent()).length > 5);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('#turns li').length === 0);
  assert.equal(await page.inputValue('#text'), 'hello', 'what could not be said is not lost');
  await page.locator('#status', {hasText: 'does not answer'}).waitFor();
  faults.splice(0, faults.length, ...faults.filter((fault) => fault.startsWith('script')));
  await close();
});
