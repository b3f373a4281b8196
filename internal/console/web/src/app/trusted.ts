// The page's policy lets nothing be written into the document as markup but by
// way of this: text without "<" can make no element. The library writes its
// style sheets so; nothing else has a reason to.
interface Policies {
  createPolicy(name: string, rules: { createHTML(text: string): string }): unknown;
}

export function trust() {
  const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
  policies?.createPolicy('default', {
    createHTML(text) {
      if (text.includes('<')) throw new TypeError('markup is not written into this page');
      return text;
    },
  });
}
