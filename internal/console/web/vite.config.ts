import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// What is built lands where the Go package embeds it. The server puts a fresh
// nonce in place of __NONCE__ with every answer.
export default defineConfig({
  plugins: [react()],
  html: { cspNonce: '__NONCE__' },
  build: {
    outDir: '../static/app',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { '/v1': 'http://127.0.0.1:8080' } },
});
