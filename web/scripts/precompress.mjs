// Writes FILE.gz and FILE.br beside every text file of the build, so that the server only has
// to choose one. A variant that is not smaller than the file is left out.
//
//   node scripts/precompress.mjs [folder, default dist]
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const TEXT = new Set(['.css', '.html', '.js', '.json', '.mjs', '.svg', '.txt', '.webmanifest']);
const folder = process.argv[2] ?? 'dist';

const variants = [
  ['.gz', (body) => gzipSync(body, { level: 9 })],
  ['.br', (body) =>
    brotliCompressSync(body, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
      },
    })],
];

const entries = await readdir(folder, { recursive: true, withFileTypes: true });
const files = entries.filter((entry) => entry.isFile() && TEXT.has(extname(entry.name)));
for (const file of files) {
  const path = join(file.parentPath ?? file.path, file.name);
  const body = await readFile(path);
  for (const [suffix, compress] of variants) {
    const packed = compress(body);
    if (packed.length < body.length) await writeFile(path + suffix, packed);
  }
}
