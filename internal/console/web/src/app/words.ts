// The console's words for what the API says in codes: those of the glossary.

export const stateWords: Record<string, { word: string; color: string; means: string }> = {
  in_sync: { word: 'In sync', color: 'teal', means: 'linked, rules match, both sides agree' },
  conflict: { word: 'Conflict', color: 'orange', means: 'both sides changed the same field: a person decides' },
  duplicate: {
    word: 'Duplicate',
    color: 'yellow',
    means: 'several records of one app have the same identity: none is written',
  },
  failing: { word: 'Failing', color: 'red', means: 'an app refused a write' },
  waiting: { word: 'Waiting', color: 'blue', means: 'waits for a right, a limit or a person' },
  excluded: { word: 'Excluded', color: 'gray', means: 'a rule, a setting or a missing identity keeps it out' },
  deleted: { word: 'Deleted', color: 'gray', means: 'was deleted in an app and is not made again' },
  unknown: { word: 'Unknown', color: 'gray', means: 'has not been seen yet' },
};
export const states = ['in_sync', 'conflict', 'duplicate', 'failing', 'waiting', 'excluded', 'deleted'] as const;

export const outcomeWords: Record<string, { word: string; color: string }> = {
  created: { word: 'Created', color: 'teal' },
  updated: { word: 'Updated', color: 'teal' },
  linked: { word: 'Linked', color: 'teal' },
  unchanged: { word: 'Unchanged', color: 'gray' },
  excluded: { word: 'Excluded', color: 'gray' },
  skipped: { word: 'Skipped', color: 'gray' },
  duplicate: { word: 'Duplicate', color: 'yellow' },
  conflict: { word: 'Conflict', color: 'orange' },
  failed: { word: 'Failed', color: 'red' },
  deleted: { word: 'Deleted', color: 'gray' },
  stale: { word: 'Stale', color: 'orange' },
  dropped: { word: 'Dropped', color: 'gray' },
  waiting: { word: 'Waiting', color: 'blue' },
};
export const outcomes = Object.keys(outcomeWords);

/** What the outcomes are in the plan of an undo: the same deeds, seen backwards. */
export const undoWords: Record<string, string> = {
  updated: 'Put back',
  deleted: 'Archived',
  excluded: 'Taken apart',
  stale: 'Stays as it is',
};

export const statusWords: Record<string, { word: string; color: string; means: string }> = {
  draft: { word: 'Draft', color: 'gray', means: 'saved, and nothing is read or written yet' },
  active: { word: 'Active', color: 'teal', means: 'keeps both apps in step' },
  paused: { word: 'Paused', color: 'yellow', means: 'nothing is read or written; links and settings stay' },
  needs_authorization: { word: 'Needs authorisation', color: 'red', means: 'an app no longer lets us in' },
  halted: { word: 'Halted', color: 'red', means: 'a guard stopped it until a person decides' },
  deleting: { word: 'Deleting', color: 'gray', means: 'is being removed for good' },
};

export const runWords: Record<string, string> = {
  initial: 'First sync',
  pull: 'Pull',
  resync: 'Resync',
  webhook: 'Webhooks of a day',
  retry: 'Retry',
  record: 'One record',
  plan: 'Plan',
  apply: 'Plan applied',
  catch_up: 'Catching up',
  change: 'Changed settings',
};

export const runStateWords: Record<string, { word: string; color: string }> = {
  queued: { word: 'Queued', color: 'blue' },
  running: { word: 'Running', color: 'blue' },
  done: { word: 'Done', color: 'teal' },
  failed: { word: 'Failed', color: 'red' },
  cancelled: { word: 'Cancelled', color: 'gray' },
};

/** Why a field was decided as it was, as an answer to "why this value?". */
export const ruleWords: Record<string, string> = {
  agreed: 'both sides hold the same',
  left_changed: 'only the left side changed since both last agreed',
  right_changed: 'only the right side changed since both last agreed',
  set_merge: 'additions and removals of both sides were put together',
  conflict_left: 'both sides changed it; the setting says that the left one wins',
  conflict_right: 'both sides changed it; the setting says that the right one wins',
  conflict_newest: 'both sides changed it; the record that was changed last wins (a heuristic)',
  conflict_review: 'both sides changed it; a person has to decide',
  first_difference: 'the sides differed when they were linked; the conflict setting decided',
  first_difference_review: 'the sides differed when they were linked; a person has to decide',
  fill_blank: 'one side was blank and is filled from the other',
  blank_kept: 'a blank does not erase the other side’s value',
  blank_erased: 'the mapping lets a blank erase the value',
  one_way: 'this mapping travels one way: the target follows the source',
  returns: 'this mapping travels one way, and other connections bring the edit of the target to the source',
  fill_blanks_only: 'the target has a value already, and only blanks are filled',
  closed: 'direction, behaviour or filter closes this way: left alone',
  default: 'both sides were blank: the default value',
  write_once: 'written once and not changed after that',
  protected: 'the match step protects this field',
  stamp: 'a fixed value, written on creation',
  write_back: 'the other record’s ID, kept here by the match step',
  halted: 'a mass change of this field waits for a person',
  frozen: 'the value went round in a circle: a person has to decide',
  settled: 'the sides differ, and are left so',
  held: 'a field is gone from its app: left alone until it is back',
  failed: 'the value does not fit the field',
};

export const operatorWords: Record<string, string> = {
  equals: 'is',
  not_equals: 'is not',
  contains: 'contains',
  not_contains: 'does not contain',
  starts_with: 'starts with',
  ends_with: 'ends with',
  is_empty: 'is empty',
  is_not_empty: 'is not empty',
  in: 'is one of',
  not_in: 'is none of',
  greater_than: 'is greater than',
  less_than: 'is less than',
  before: 'is before',
  after: 'is after',
  in_last_days: 'is in the last … days',
  is_true: 'is yes',
  is_false: 'is no',
};

const anyType = [
  'equals',
  'not_equals',
  'contains',
  'not_contains',
  'starts_with',
  'ends_with',
  'is_empty',
  'is_not_empty',
  'in',
  'not_in',
];
const moments = ['text', 'email', 'phone', 'date', 'datetime', 'option', 'reference', 'url', 'owner'];
const narrower: Record<string, string[]> = {
  greater_than: [...moments, 'number'],
  less_than: [...moments, 'number'],
  before: moments,
  after: moments,
  in_last_days: moments,
  is_true: ['text', 'email', 'phone', 'number', 'boolean', 'option', 'reference', 'url', 'owner'],
  is_false: ['text', 'email', 'phone', 'number', 'boolean', 'option', 'reference', 'url', 'owner'],
};
/** operatorsFor lists what can be asked of a field; see docs/filters-and-transforms.md. */
export const operatorsFor = (type: string | undefined) =>
  Object.keys(operatorWords).filter((op) => anyType.includes(op) || !type || narrower[op]?.includes(type));
export const withoutValue = ['is_empty', 'is_not_empty', 'is_true', 'is_false'];
export const withList = ['in', 'not_in'];

export const scheduleWords: Record<string, string> = {
  manual: 'Manual only',
  '1m': 'Every minute',
  '5m': 'Every 5 minutes',
  '10m': 'Every 10 minutes',
  '15m': 'Every 15 minutes',
  '30m': 'Every 30 minutes',
  '60m': 'Every 60 minutes',
};
export const behaviorWords: Record<string, string> = {
  create_and_update: 'Create and update',
  create_only: 'Create only new records',
  update_only: 'Update only existing records',
  nothing: 'Do nothing',
};
export const directionWords: Record<string, string> = {
  both: 'Both ways',
  to_right: 'To the right only',
  to_left: 'To the left only',
  off: 'Off',
};
export const transformWords: Record<string, string> = {
  none: 'as it is',
  full_name: 'full name ↔ first and last name',
  phone: 'phone number',
  email: 'e-mail address',
  domain: 'web address, by its domain',
  number: 'number',
  boolean: 'yes or no',
  date: 'day',
  datetime: 'moment',
  list: 'list, merged',
  options: 'options of one app as the other’s',
  static: 'fixed text',
};
export const settledWords: Record<string, string> = {
  cleared: 'a person cleared it on one side',
  default: 'the default value was written once',
  refused: 'the app refuses the value',
  changed_by_app: 'the app changed what was written',
  undone: 'it was put back by an undo',
  from_now_on: 'a changed mapping holds from now on',
  invalid_phone: 'the phone number is not valid',
  not_clearable: 'the app does not let the field be blank',
};

/** words makes a code readable where there is no word of its own. */
export const words = (code: string | undefined) => (code ? code.replaceAll('_', ' ') : '');
export const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
