import type { Diff } from '../api/types';
import { ruleWords, words } from '../app/words';
import { Shown } from '../ui/basics';
import { Icon } from '../ui/icons';
import type { Ends } from './connection';

/** Diffs lists what was, or would be, written: field by field, before and after. */
export function Diffs({ diffs, ends }: { diffs: Diff[] | null | undefined; ends: Ends }) {
  if (!diffs?.length) return null;
  return (
    <ul className="problem-items">
      {diffs.map((d) => (
        <li key={`${d.side} ${d.field}`}>
          <span className={d.side === 'left' ? 'side-left' : 'side-right'}>
            {d.side === 'left' ? ends.left.name : ends.right.name} · {d.field}
          </span>
          :{' '}
          <span className="before">
            <Shown value={d.before} />
          </span>{' '}
          <Icon name="toRight" size={12} />{' '}
          <span className="after">
            <Shown value={d.after} />
          </span>{' '}
          <span className="blank">{ruleWords[d.rule] ?? words(d.rule)}</span>
        </li>
      ))}
    </ul>
  );
}
