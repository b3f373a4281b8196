// Compresses what vite built, once and as well as can be, so that the server
// only picks. The plain files go: whoever takes neither gets the gzip unpacked.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const assets = join(process.argv[2] ?? '.', 'assets');
let total = 0;
for (const name of readdirSync(assets)) {
  const file = join(assets, name);
  if (!statSync(file).isFile() || /\.(br|gz)$/.test(name)) continue;
  const data = readFileSync(file);
  const br = brotliCompressSync(data, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: data.length },
  });
  writeFileSync(`${file}.br`, br);
  writeFileSync(`${file}.gz`, gzipSync(data, { level: 9 }));
  rmSync(file);
  total += br.length;
}
console.log(`console: ${readdirSync(assets).length / 2} files, ${Math.round(total / 1024)} KB compressed`);
