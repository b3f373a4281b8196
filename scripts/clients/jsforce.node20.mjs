// jsforce 3.10.26 brings an HTTP library that wants Node 22.19, for zstd answers
// (which nothing here sends), for marking caches as not cloneable, and for
// Promise.withResolvers. Where Node is older, these stand in. Import this before
// jsforce.
import {createRequire} from 'node:module';

const require = createRequire(import.meta.url);
require('node:zlib').createZstdDecompress ??= () => { throw new Error('this Node knows no zstd'); };
require('node:worker_threads').markAsUncloneable ??= () => {};
Promise.withResolvers ??= function withResolvers() {
  const out = {};
  out.promise = new this((resolve, reject) => Object.assign(out, {resolve, reject}));
  return out;
};
