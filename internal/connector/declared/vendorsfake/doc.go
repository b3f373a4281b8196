// Package vendorsfake is the fakes of the apps that are documents: tables of
// fakekit/restapp, one file for each app, written from the vendor's documents, which the
// file names. They never import a connector, a kit or package declared: a document and
// its fake that shared a mistake would prove nothing.
package vendorsfake
