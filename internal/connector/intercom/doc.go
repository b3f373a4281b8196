// Package intercom connects to one Intercom workspace through version 2.17 of its API.
//
// The traps of the API, and what this package does about each:
//
//   - Without a version in the header the app's own counts. Before 2.17 a search by time
//     knows whole days: "since nine o'clock" would lose today. The version is always sent,
//     and what a listing holds is held against what was asked for.
//   - New contacts show in searches after minutes. Scans look ten minutes back.
//   - There are no batches. A record is read, found and written by itself.
//   - Merged and deleted contacts are in no listing. A merged one is answered with 410 and
//     its survivor, by webhook both are told.
//   - A contact shows ten tags at most, by their IDs. The others are asked for, and all
//     tags' names are kept for a minute.
//   - A double is refused with its twin's ID. Companies are never refused: they are upserted
//     by an ID of their own, so a new one is looked for before.
//   - Companies have no filter by time: all are listed, and compared with the last time.
//   - Limits end at a time that a header tells.
//   - Tokens do not end and are not renewed. Deliveries are signed without a time in them.
//
// It is longer than its siblings by its second record type, which is listed, found and
// made otherwise, and by tags.
//
// Sources are named where they matter; docs/apps/intercom.md lists them.
package intercom
