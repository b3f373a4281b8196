import { Badge, Stack, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { fill, type Schema } from '../api/client';
import { useGet } from '../api/queries';
import type { Connection, Sync } from '../api/types';
import { number } from '../app/figures';
import { outcomeWords, sentence } from '../app/words';
import { CodeLink, Failure, Loading, Moment } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Panel } from '../ui/page';

export function useReadiness(connection: string) {
  return useGet('/v1/connections/{id}/readiness', { path: { id: connection } });
}

/** Readiness says what a start needs and which of it is there, and what the latest dry runs found. */
export function Readiness({ connection }: { connection: Connection }) {
  const got = useReadiness(connection.id);
  const report = got.data?.data;
  return (
    <Panel
      title={
        <>
          What a start needs{' '}
          {report && <Badge color={report.ready ? 'teal' : 'red'}>{report.ready ? 'Ready' : 'Not ready'}</Badge>}
        </>
      }
      actions={
        <a
          className="link"
          href={fill('/v1/connections/{id}/readiness.csv', { id: connection.id })}
          download={`readiness-${connection.id}.csv`}
        >
          Download as CSV
        </a>
      }
    >
      {got.isPending ? (
        <Loading what="what a start needs" />
      ) : got.isError ? (
        <Failure error={got.error} again={() => void got.refetch()} />
      ) : (
        <Stack gap="sm">
          <ul className="needs">
            {got.data.data.needs.map((n) => (
              <li key={`${n.what} ${n.pointer} ${n.code ?? ''} ${n.detail}`}>
                <Icon name={n.met ? 'check' : 'warn'} size={14} />{' '}
                <span className="visually-hidden">{n.met ? 'There: ' : n.required ? 'Missing: ' : 'Not there: '}</span>
                {sentence(n.detail)} {n.code && <CodeLink code={n.code} />}
                {!n.met && (
                  <Text size="sm" c="var(--soft)">
                    {n.required ? 'A start needs it. ' : 'A start goes without it. '}
                    {n.remedy && `What to do: ${n.remedy}.`}
                  </Text>
                )}
              </li>
            ))}
          </ul>
          {got.data.data.records.map((f) => (
            <Text key={f.sync} size="sm" component="div">
              <PlanFigures figures={f} connection={connection} />
            </Text>
          ))}
        </Stack>
      )}
    </Panel>
  );
}

/** PlanFigures is what the latest dry run of a sync found of its records. */
export function PlanFigures({ figures, connection }: { figures: Schema<'PlanFigures'>; connection: Connection }) {
  const sync = connection.syncs?.find((s: Sync) => s.id === figures.sync);
  const counted = Object.keys(outcomeWords).filter((o) => o !== 'unchanged' && figures.totals?.[o]);
  const codes = Object.entries(figures.codes ?? {});
  return (
    <>
      {sync && `${sync.left.object} ↔ ${sync.right.object}, `}the plan of <Moment at={figures.made_at} relative />:{' '}
      {counted.map((o) => `${number(figures.totals?.[o])} ${(outcomeWords[o]?.word ?? o).toLowerCase()}`).join(', ') ||
        'nothing to do'}
      .{' '}
      {codes.map(([code, n]) => (
        <span key={code}>
          {number(n)} <CodeLink code={code} />{' '}
        </span>
      ))}
      <Link
        className="link"
        to="/connections/$connection/plan"
        params={{ connection: connection.id }}
        search={{ plan: figures.plan }}
      >
        Open it
      </Link>
    </>
  );
}
