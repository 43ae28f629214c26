// The gRPC API through @grpc/grpc-js and the public .proto files: clients, one call as a promise, a stream as a list of
// what came, and the details of a status.

import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import path from 'node:path';
import {ROOT} from './paths.mjs';
import {BOUND_MS, until, within} from './wait.mjs';

const definition = loader.loadSync(
  ['loquat/v1/understanding.proto', 'loquat/v1/inference.proto', 'grpc/health/v1/health.proto', 'grpc/reflection/v1/reflection.proto',
    'google/rpc/error.proto'],
  {includeDirs: [path.join(ROOT, 'proto')], keepCase: true, longs: Number, enums: String, oneofs: true});
export const protos = grpc.loadPackageDefinition(definition);

export const grpcAddress = (server) => /gRPC {5}grpc:\/\/(\S+)/.exec(server.stdout)[1];

// `credentials`: insecure without. `make`: which service.
export function client(server, make = protos.loquat.v1.Understanding, {credentials = grpc.credentials.createInsecure(), options = {}} = {}) {
  return new make(grpcAddress(server), credentials, {'grpc.use_local_subchannel_pool': 1, ...options});
}

export function metadata(values = {}) {
  const made = new grpc.Metadata();
  for (const [key, value] of Object.entries(values)) made.set(key, value);
  return made;
}

// A unary call: {answer, trailers} or {error}, where error has code, details and metadata.
export function call(stub, method, message, {headers = {}, deadlineMs = BOUND_MS} = {}) {
  return within(method, new Promise((resolve) => {
    const result = {};
    const running = stub[method](message, metadata(headers), {deadline: Date.now() + deadlineMs}, (error, answer) => {
      Object.assign(result, {error, answer});
    });
    result.running = running;
    running.on('status', (status) => {
      result.trailers = status.metadata.getMap();
      resolve(result);
    });
  }), 2 * BOUND_MS);
}

// The google.rpc.Status of an error: its reason, when to retry, and the field at fault.
export function detailsOf(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const status = definition['google.rpc.Status'].deserialize(bytes);
  const details = {code: status.code, message: status.message};
  for (const any of status.details) {
    const name = any.type_url.replace('type.googleapis.com/', '');
    const detail = definition[name].deserialize(any.value);
    if (name === 'google.rpc.ErrorInfo') Object.assign(details, {reason: detail.reason, domain: detail.domain, requestId: detail.metadata.request_id});
    if (name === 'google.rpc.RetryInfo') details.retryMs = Number(detail.retry_delay.seconds ?? 0) * 1000 + (detail.retry_delay.nanos ?? 0) / 1e6;
    if (name === 'google.rpc.BadRequest') details.field = detail.field_violations[0].field;
  }
  return details;
}

// A streaming call: what came (`events`), how it ended (`status`).
export class Stream {
  constructor(stub, method, {headers = {}, deadlineMs, message} = {}) {
    this.events = [];
    const options = deadlineMs === undefined ? {} : {deadline: Date.now() + deadlineMs};
    this.call = message === undefined ? stub[method](metadata(headers), options) : stub[method](message, metadata(headers), options);
    this.call.on('data', (event) => this.events.push(event));
    this.call.on('metadata', (initial) => (this.initial = initial.getMap()));
    this.call.on('error', () => {});
    this.ended = new Promise((resolve) => this.call.on('status', (status) => resolve((this.status = status))));
  }
  write(message) {
    this.call.write(message);
    return this;
  }
  end(message) {
    if (message !== undefined) this.write(message);
    this.call.end();
    return this.finished();
  }
  cancel() {
    this.call.cancel();
    return this.finished();
  }
  finished(ms = 3 * BOUND_MS) {
    return within('the stream ends', this.ended, ms);
  }
  // The first event that `probe` takes, once it is there.
  find(what, probe) {
    return until(`${what}; so far ${JSON.stringify(this.events)}, status ${this.status?.details}`, () => this.events.find(probe), {every: 2});
  }
}

export {grpc};
