import { TextInput } from '@mantine/core';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCodes } from '../api/queries';
import { words } from '../app/words';
import { Empty, Failure, Loading } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Page, Panel } from '../ui/page';

export function Codes() {
  const { q } = useSearch({ from: '/codes' });
  const go = useNavigate();
  const codes = useCodes();
  const wanted = (q ?? '').toLowerCase().trim();
  const shown = (codes.data ?? []).filter((c) => `${c.code} ${c.meaning} ${c.remedy}`.toLowerCase().includes(wanted));
  return (
    <Page title="Codes" name="Codes" sub="What each code in the log and in answers means, what it does, and what to do">
      <div className="filters">
        <TextInput
          aria-label="Search codes"
          placeholder="Search codes"
          leftSection={<Icon name="search" size={14} />}
          value={q ?? ''}
          onChange={(e) =>
            void go({ to: '/codes', search: e.currentTarget.value ? { q: e.currentTarget.value } : {}, replace: true })
          }
          w={280}
        />
      </div>
      {codes.isPending ? (
        <Loading what="codes" />
      ) : codes.isError ? (
        <Failure error={codes.error} again={() => void codes.refetch()} />
      ) : shown.length === 0 ? (
        <Empty title="No such code" />
      ) : (
        <Panel>
          <div className="scroll-x">
            <table className="plain">
              <thead>
                <tr>
                  <th scope="col">Code</th>
                  <th scope="col">Meaning</th>
                  <th scope="col">Effect</th>
                  <th scope="col">What to do</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((c) => (
                  <tr key={c.code}>
                    <td className="mono">{c.code}</td>
                    <td>{c.meaning}</td>
                    <td>{words(c.effect)}</td>
                    <td>{c.remedy}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Panel>
      )}
    </Page>
  );
}
