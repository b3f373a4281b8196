import { describe, expect, it } from 'vitest';
import { haltWords } from './trouble';

const names = { left: 'HubSpot', right: 'Salesforce' };
const sync = (to_right: string) => ({ deletes: { to_right, to_left: 'ignore', tag: 'Gone' } }) as never;

describe('what an answer to a guard does', () => {
  const gone = { kind: 'deletions', side: 'left', count: 60 } as const;
  it('is said of deletions, by the setting of their way', () => {
    expect(haltWords(gone, 'confirm', sync('archive'), names)).toContain('their twins in Salesforce are archived');
    expect(haltWords(gone, 'confirm', sync('tag'), names)).toContain('get the tag “Gone”');
    expect(haltWords(gone, 'confirm', sync('ignore'), names)).toContain('stay in Salesforce');
    expect(haltWords(gone, 'confirm', sync('archive'), names)).toContain('60 records are gone in HubSpot');
    expect(haltWords(gone, 'discard', sync('archive'), names)).toContain('nothing is deleted in Salesforce');
  });
  it('is said of changes of one field', () => {
    const blanked = { kind: 'changes', mapping: 'm', side: 'right', field: 'Title', blank: true, count: 1 } as const;
    expect(haltWords(blanked, 'confirm', undefined, names)).toContain('Title of 1 record in Salesforce is blanked');
    expect(haltWords({ ...blanked, blank: false }, 'confirm', undefined, names)).toContain('the one same value');
    expect(haltWords(blanked, 'discard', undefined, names)).toContain('Title stays as it is in Salesforce');
  });
});
