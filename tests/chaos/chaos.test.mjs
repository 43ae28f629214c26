// What must not bring the server down: being killed, crowds, exhaustion, a configuration that comes and goes.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import {test} from 'node:test';
import {RawConnection, frameOf, rawRequest, request, understand} from '../support/http.mjs';
import {configText, startServer} from '../support/server.mjs';
import {pause, until} from '../support/wait.mjs';

const BODY = JSON.stringify({text: 'hello'});
const LONG_MS = 120_000;

test('kill -9 under load, and a restart on the same port serves at once', async () => {
  let server = await startServer();
  const {port} = server;
  for (let round = 0; round < 3; round++) {
    const agent = new http.Agent({keepAlive: true, maxSockets: 16});
    let answers = 0;
    let going = true;
    const target = {port};
    const load = Array.from({length: 16}, async (_, i) => {
      while (going) {
        try {
          await frameOf(target, {text: 'play some jazz', session: `c${i}`}, {agent});
          answers++;
        } catch {
          await pause(10);
        }
      }
    });
    try {
      await until('the load runs', () => answers > 100);
      await server.kill();
      const before = answers;
      server = await startServer({listen: `127.0.0.1:${port}`});
      await until('the clients are served again', () => answers > before + 100);
    } finally {
      going = false;
      await Promise.all(load);
      agent.destroy();
    }
  }
  await server.stop();
});

// Opens `count` connections, some at a time; those that the server refused are left out.
async function crowd(port, count) {
  const connections = [];
  for (let i = 0; i < count; i += 250) {
    connections.push(...(await Promise.all(Array.from({length: Math.min(250, count - i)}, () => RawConnection.open(port)))));
  }
  return connections;
}

test('5,000 idle connections cost less than 100 MB in total, and one more client is told to wait', async (t) => {
  // This process holds the other ends.
  const own = Number(/Max open files\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))[1]);
  assert.ok(own >= 6000, `this test needs 6,000 open files, the limit is ${own}: ulimit -n 8192`);
  const server = await startServer({wrap: ['prlimit', '--nofile=1024:'], config: {server: {connections_max: 5000, timeouts: {idle: '1h'}}}});
  try {
    await frameOf(server, {text: 'hello'});
    const before = server.memoryBytes();
    const connections = await crowd(server.port, 4999);
    // Each has been served once: what a connection keeps after a request counts as well.
    for (let i = 0; i < connections.length; i += 100) {
      await Promise.all(connections.slice(i, i + 100).map(async (connection) => {
        await connection.write(rawRequest(BODY));
        const [response] = await connection.responses(1, LONG_MS);
        assert.equal(response.status, 200);
      }));
    }
    const after = server.memoryBytes();
    const vars = (await request(server, 'GET', '/debug/vars')).json;
    assert.equal(vars.connections, 5000);
    const grown = (after - before) / 1e6;
    t.diagnostic(`${(after / 1e6).toFixed(1)} MB with 5,000 connections, ${grown.toFixed(1)} MB of it theirs: ${((grown * 1e6) / 5000 / 1024).toFixed(1)} KiB each`);
    assert.ok(after < 100e6, `${(after / 1e6).toFixed(1)} MB`);
    const held = await until('the last place is taken', async () => {
      const connection = await RawConnection.open(server.port);
      await connection.write(rawRequest(BODY));
      if ((await connection.responses(1))[0].status === 200) return connection;
      connection.destroy();
      return undefined;
    });
    const over = await RawConnection.open(server.port);
    await over.write(rawRequest(BODY));
    assert.equal((await over.waitClosed())[0].status, 503);
    for (const connection of [...connections, held]) connection.destroy();
    await until('the connections are gone', async () => (await request(server, 'GET', '/debug/vars')).json.connections < 10);
  } finally {
    await server.stop();
  }
});

test('out of file descriptors: those that are connected are served, and new ones again once there is room', async () => {
  const server = await startServer({wrap: ['prlimit', '--nofile=80:80']});
  try {
    await server.waitLog(/fewer files may be open.*ulimit/);
    const crowdSize = 120;
    const connections = await crowd(server.port, crowdSize);
    const served = [];
    for (const connection of connections) await connection.write(rawRequest(BODY));
    await until('some are served', () => {
      served.splice(0, served.length, ...connections.filter((connection) => connection.text().includes('200 OK')));
      return served.length >= 30;
    });
    assert.ok(served.length < crowdSize, 'the limit was reached');
    // The connected go on.
    for (const connection of served.slice(0, 10)) {
      await connection.write(rawRequest(BODY));
      assert.equal((await connection.responses(2))[1].status, 200);
    }
    const text = await until('the shortage is counted', async () => {
      const connection = served[0];
      const have = connection.received.length;
      await connection.write(rawRequest(undefined, {method: 'GET', target: '/metrics'}));
      await until('the metrics', () => connection.received.length > have + 1000);
      return /loquat_connections_refused_total\{reason="accept"\} [1-9]/.exec(connection.text());
    });
    assert.ok(text);
    for (const connection of connections) connection.destroy();
    await until('new clients are served', async () => (await frameOf(server, {text: 'hello'})).intent.name === 'greet');
    await until('the descriptors are given back', () => server.openFiles() < 40);
  } finally {
    await server.stop();
  }
});

test('a configuration file that is deleted, recreated, a folder, unreadable and back again under load', async () => {
  const server = await startServer({config: {understand: {ranking_max: 2}}});
  const agent = new http.Agent({keepAlive: true, maxSockets: 8});
  const failures = [];
  let answers = 0;
  let going = true;
  const load = Array.from({length: 8}, async () => {
    while (going) {
      const answer = await understand(server, {text: 'play some jazz'}, {agent}).catch((error) => ({status: 0, text: error.message}));
      if (answer.status === 200) answers++;
      else failures.push(answer.text);
    }
  });
  const rankingOf = async () => (await frameOf(server, {text: 'play some jazz'})).intent_ranking.length;
  try {
    for (let round = 1; round <= 8; round++) {
      const n = 1 + (round % 4);
      fs.rmSync(server.configFile, {recursive: true});
      if (round % 2) {
        fs.mkdirSync(server.configFile);
        fs.rmdirSync(server.configFile);
      }
      if (round % 3 === 0) {
        fs.writeFileSync(`${server.configFile}.elsewhere`, configText({understand: {ranking_max: n}}));
        fs.symlinkSync(`${server.configFile}.elsewhere`, server.configFile);
      } else {
        server.writeConfig({understand: {ranking_max: n}});
      }
      await until(`the ranking of ${n} is in force`, async () => (await rankingOf()) === n, {ms: 30_000});
    }
    fs.rmSync(server.configFile);
    const before = answers;
    await until('requests are served without the file', () => answers > before + 50);
    assert.equal(await rankingOf(), 1, 'the last good configuration stays');
  } finally {
    going = false;
    await Promise.all(load);
    agent.destroy();
    await server.stop();
  }
  assert.deepEqual(failures, []);
  assert.ok(answers > 200);
});

test('clients that connect and vanish in every phase, thousands of times, leave nothing behind', async () => {
  const server = await startServer();
  try {
    const pieces = ['', 'GET /li', 'GET /livez HTTP/1.1\r\n', `POST /v1/understand HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY.length}\r\n\r\n{"te`,
      rawRequest(BODY), Buffer.concat([rawRequest(BODY), rawRequest(BODY)]), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'];
    const round = async () => {
      await Promise.all(Array.from({length: 100}, async (_, i) => {
        const connection = await RawConnection.open(server.port);
        if (pieces[i % pieces.length].length > 0) await connection.write(pieces[i % pieces.length]);
        if (i % 2) connection.socket.resetAndDestroy();
        else connection.destroy();
      }));
    };
    for (let i = 0; i < 5; i++) await round();
    const settled = () => until('all connections are gone', async () => (await request(server, 'GET', '/debug/vars')).json.connections <= 1);
    await settled();
    const [files, memory] = [server.openFiles(), server.memoryBytes()];
    for (let i = 0; i < 25; i++) await round();
    await settled();
    assert.ok(server.openFiles() <= files + 2, `${files} files became ${server.openFiles()}`);
    assert.ok(server.memoryBytes() - memory < 16e6, `${((server.memoryBytes() - memory) / 1e6).toFixed(1)} MB more`);
  } finally {
    await server.stop();
  }
});

test('SIGSTOP and SIGCONT: a server that was frozen answers what came meanwhile', async () => {
  const server = await startServer();
  try {
    server.signal('SIGSTOP');
    const waiting = Promise.all(Array.from({length: 20}, (_, i) => frameOf(server, {text: `hello ${i}`, session: `f${i}`}, {ms: LONG_MS})));
    await pause(200);
    server.signal('SIGCONT');
    // The answer's own deadline may have passed while it stood still; what matters is that every one is answered.
    const answers = await waiting;
    assert.equal(answers.length, 20);
  } finally {
    await server.stop();
  }
});
