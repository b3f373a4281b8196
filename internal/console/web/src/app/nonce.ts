import { setNonce } from 'get-nonce';

// The nonce that the server gave this page; browsers hide it from everything
// but scripts of the page.
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
setNonce(nonce);

export const styleNonce = () => nonce;
