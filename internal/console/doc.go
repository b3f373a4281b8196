// Package console serves the console: pages for a browser that call the public
// API like any other client.
//
// What is served was made by vite from web and is embedded, compressed ahead.
// index.html alone is rendered for each request, because it carries a nonce for
// styles; everything else bears a hash in its name and is kept for ever. A
// program that was built without Node has nothing to serve and says what is
// missing.
package console
