import {
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import type { ReactNode } from 'react';
import type { Connection, Sync, Way } from '../api/types';
import { behaviorWords, scheduleWords } from '../app/words';
import { Note } from '../ui/basics';
import { Icon } from '../ui/icons';
import { Panel } from '../ui/page';
import type { Ends } from './connection';
import { type Editing, EditPage } from './editing';
import { NotifyPick } from './notify';

export function SettingsPage() {
  return (
    <EditPage title="Settings" sub="What holds for the whole connection, and for the record type chosen">
      {(editing, doc) => (
        <Stack gap="md">
          <Panel title="Connection">
            <About connection={editing.connection} ends={editing.ends} may={editing.may} change={doc.change} />
          </Panel>
          <Panel title="Direction">
            <DirectionPick {...editing} />
          </Panel>
          <SyncSettings {...editing} />
          <Panel title="Who hears of alerts">
            <NotifyPick
              connection={editing.connection}
              zones={zones}
              may={editing.may}
              dirty={doc.dirty}
              change={doc.change}
            />
          </Panel>
          <Panel title="Who may see it">
            <AccessRule connection={editing.connection} may={editing.may} change={doc.change} />
          </Panel>
        </Stack>
      )}
    </EditPage>
  );
}

type ChangeConnection = (next: (now: Connection) => Connection) => void;
const zones = ['UTC', ...Intl.supportedValuesOf('timeZone').filter((z) => z !== 'UTC')];

export function About({
  connection: c,
  ends,
  may,
  change,
}: {
  connection: Connection;
  ends: Ends;
  may: boolean;
  change: ChangeConnection;
}) {
  return (
    <div className="columns">
      <Stack gap="sm">
        <TextInput
          label="Name"
          description="For people only: changing it changes nothing about syncing"
          value={c.name}
          disabled={!may}
          onChange={(e) => {
            const name = e.currentTarget.value;
            change((now) => ({ ...now, name }));
          }}
        />
        <TextInput
          label="Description"
          value={c.description}
          disabled={!may}
          onChange={(e) => {
            const description = e.currentTarget.value;
            change((now) => ({ ...now, description }));
          }}
        />
        <TextInput
          label="Default country of phone numbers"
          description="Two letters, such as US: for numbers without a country code"
          maxLength={2}
          value={c.default_country}
          disabled={!may}
          onChange={(e) => {
            const default_country = e.currentTarget.value.toUpperCase();
            change((now) => ({ ...now, default_country }));
          }}
        />
      </Stack>
      <Stack gap="sm">
        {(['left', 'right'] as const).map((side) => (
          <Select
            key={side}
            label={`Time zone of ${ends[side].name}`}
            description={side === 'left' ? 'Of moments that the app gives without a zone' : undefined}
            searchable
            data={zones.includes(c.time_zone[side]) ? zones : [c.time_zone[side], ...zones]}
            value={c.time_zone[side]}
            disabled={!may}
            onChange={(v) => v && change((now) => ({ ...now, time_zone: { ...now.time_zone, [side]: v } }))}
          />
        ))}
        <Switch
          size="xs"
          label="May write fields that another connection writes"
          description="Only for the later of two connections that share an account on purpose"
          checked={c.shared}
          disabled={!may}
          onChange={(e) => {
            const shared = e.currentTarget.checked;
            change((now) => ({ ...now, shared }));
          }}
        />
      </Stack>
    </div>
  );
}

export function AccessRule({
  connection: c,
  may,
  change,
}: {
  connection: Connection;
  may: boolean;
  change: ChangeConnection;
}) {
  const set = (access: Partial<Connection['access']>) =>
    change((now) => ({ ...now, access: { ...now.access, ...access } }));
  return (
    <Stack gap="sm" maw={460}>
      <Text size="sm" c="var(--soft)">
        Admins see every connection, viewers read every one with values masked. This says which members work with it.
      </Text>
      <SegmentedControl
        size="xs"
        aria-label="How members are let in"
        data={[
          { value: 'roles', label: 'By role' },
          { value: 'user_attribute', label: 'By an attribute of the user' },
        ]}
        value={c.access.mode}
        disabled={!may}
        onChange={(v) => set({ mode: v as 'roles' })}
      />
      {c.access.mode === 'roles' ? (
        <TagsInput
          size="xs"
          label="Roles"
          description="“member” lets every member in"
          value={c.access.roles ?? []}
          disabled={!may}
          onChange={(roles) => set({ roles })}
        />
      ) : (
        <TextInput
          label="Attribute"
          description="Users whose attribute is true have access; an empty one is no"
          value={c.access.attribute}
          disabled={!may}
          onChange={(e) => set({ attribute: e.currentTarget.value })}
        />
      )}
    </Stack>
  );
}

/** DirectionPick chooses the way by its arrows. */
export function DirectionPick({ sync, change, ends, may }: Editing) {
  const choices = [
    {
      value: 'both',
      icon: 'both',
      title: 'Both ways',
      text: `${ends.left.name} and ${ends.right.name} are both updated with the more complete data`,
    },
    {
      value: 'to_right',
      icon: 'toRight',
      title: `Only to ${ends.right.name}`,
      text: `${ends.left.name} is read and never written, not even a tag or an ID`,
    },
    {
      value: 'to_left',
      icon: 'toLeft',
      title: `Only to ${ends.left.name}`,
      text: `${ends.right.name} is read and never written, not even a tag or an ID`,
    },
    { value: 'off', icon: 'off', title: 'Off', text: 'This record type rests; others go on' },
  ] as const;
  return (
    <div className="cards" role="radiogroup" aria-label="Direction">
      {choices.map((c) => (
        // biome-ignore lint/a11y/useSemanticElements: a card that is a radio
        <button
          key={c.value}
          type="button"
          role="radio"
          aria-checked={sync.direction === c.value}
          className="card"
          disabled={!may}
          onClick={() => change((s) => ({ ...s, direction: c.value }))}
        >
          <Icon name={c.icon} size={22} />
          <b>{c.title}</b>
          <Text size="sm" c="var(--soft)">
            {c.text}
          </Text>
        </button>
      ))}
    </div>
  );
}

export function SyncSettings({ sync, change, ends, may }: Editing) {
  const set = (next: Partial<Sync>) => change((s) => ({ ...s, ...next }));
  const perWay = (label: (to: string) => string, cell: (way: Way, to: string) => ReactNode) => (
    <Stack gap="sm">
      {(['to_right', 'to_left'] as const).map((way) => {
        const to = way === 'to_right' ? ends.right.name : ends.left.name;
        const closed = sync.direction !== 'both' && sync.direction !== way;
        return (
          <div key={way} style={closed ? { opacity: 0.7 } : undefined}>
            <Text size="xs" fw={600} mb={4}>
              {label(to)}
              {closed && ' (closed by the direction)'}
            </Text>
            {cell(way, to)}
          </div>
        );
      })}
    </Stack>
  );
  return (
    <>
      <Panel title="When">
        <div className="columns">
          <Select
            label="Pull schedule"
            description="Webhooks come at once where the app sends them; pulls find what they miss"
            data={Object.entries(scheduleWords).map(([value, label]) => ({ value, label }))}
            value={sync.schedule}
            disabled={!may}
            onChange={(v) => set({ schedule: v as '5m' })}
          />
          <Select
            label="First sync"
            data={[
              { value: 'all', label: 'All records, those of before too' },
              { value: 'changes_only', label: 'Only what changes from now on' },
            ]}
            value={sync.initial}
            disabled={!may}
            onChange={(v) => set({ initial: v as 'all' })}
          />
          <NumberInput
            size="xs"
            label="Second look, minutes"
            description="What was listed is listed once more, for changes that an app shows late. 0: never"
            min={0}
            max={1440}
            value={sync.second_look ?? 60}
            disabled={!may}
            onChange={(v) => set({ second_look: Number(v) || 0 })}
          />
          <NumberInput
            size="xs"
            label="Every known record is read again within, hours"
            description="Finds what no other way shows. 0: never"
            min={0}
            max={720}
            value={sync.audit_hours ?? 24}
            disabled={!may}
            onChange={(v) => set({ audit_hours: Number(v) || 0 })}
          />
        </div>
      </Panel>
      <Panel title="What is written">
        <div className="columns">
          {perWay(
            (to) => `In ${to}`,
            (way) => (
              <Stack gap={6}>
                <Select
                  aria-label={`Behaviour ${way}`}
                  data={Object.entries(behaviorWords).map(([value, label]) => ({ value, label }))}
                  value={sync.behavior[way]}
                  disabled={!may}
                  onChange={(v) => set({ behavior: { ...sync.behavior, [way]: v as 'nothing' } })}
                />
                <Switch
                  size="xs"
                  label="Do not overwrite: fill blank fields only"
                  checked={sync.fill_blanks_only[way]}
                  disabled={!may}
                  onChange={(e) =>
                    set({ fill_blanks_only: { ...sync.fill_blanks_only, [way]: e.currentTarget.checked } })
                  }
                />
              </Stack>
            ),
          )}
          <Stack gap="sm">
            <Select
              label="When a conflicting change is detected"
              description="Only when both sides changed the same field; different fields are merged"
              data={[
                { value: 'left', label: `${ends.left.name} wins` },
                { value: 'right', label: `${ends.right.name} wins` },
                { value: 'newest', label: 'The newest wins (a heuristic)' },
                { value: 'review', label: 'A person decides' },
              ]}
              value={sync.conflict}
              disabled={!may}
              onChange={(v) => set({ conflict: v as 'left' })}
            />
            <Switch
              size="xs"
              label="Avoid duplicates"
              description="Records without an identity key are excluded. Some apps lock it on"
              checked={sync.avoid_duplicates !== false}
              disabled={!may}
              onChange={(e) => set({ avoid_duplicates: e.currentTarget.checked })}
            />
            {sync.avoid_duplicates === false && (
              <Note tone="yellow">Without a unique search field duplicates may arise.</Note>
            )}
          </Stack>
        </div>
      </Panel>
      <Panel title="Stamps on creation">
        <div className="columns">
          <Stamps way="to_right" to={ends.right.name} sync={sync} set={set} may={may} />
          <Stamps way="to_left" to={ends.left.name} sync={sync} set={set} may={may} />
        </div>
      </Panel>
      <Panel title="Deletions and unsubscribes">
        <div className="columns">
          {(['deletes', 'unsubscribes'] as const).map((kind) => (
            <Stack gap="sm" key={kind}>
              {perWay(
                (to) =>
                  `${kind === 'deletes' ? 'Deleted in the other app: in' : 'Unsubscribed in the other app: in'} ${to}`,
                (way) => (
                  <Select
                    aria-label={`${kind} ${way}`}
                    data={[
                      {
                        value: 'ignore',
                        label: kind === 'deletes' ? 'keep it; it is not made again' : 'change nothing',
                      },
                      { value: 'tag', label: 'add a tag' },
                      ...(kind === 'deletes' ? [{ value: 'archive', label: 'archive it' }] : []),
                    ]}
                    value={sync[kind][way]}
                    disabled={!may}
                    onChange={(v) => set({ [kind]: { ...sync[kind], [way]: v as 'ignore' } })}
                  />
                ),
              )}
              {(sync[kind].to_left === 'tag' || sync[kind].to_right === 'tag') && (
                <TextInput
                  label="Tag"
                  value={sync[kind].tag}
                  disabled={!may}
                  onChange={(e) => set({ [kind]: { ...sync[kind], tag: e.currentTarget.value } })}
                />
              )}
            </Stack>
          ))}
        </div>
        <Text size="xs" c="var(--soft)" mt="sm">
          An edit beats a deletion. When more than 50 and more than 10 % of the links are gone at once, the sync halts
          before the first one and asks.
        </Text>
      </Panel>
      <Panel title="Notes">
        <Switch
          size="xs"
          label="Sync system notes"
          checked={sync.activities.system_notes}
          disabled
          onChange={() => undefined}
          description="Without effect: notes are not synced, so there is nothing to add to"
        />
      </Panel>
    </>
  );
}

function Stamps({
  way,
  to,
  sync,
  set,
  may,
}: {
  way: Way;
  to: string;
  sync: Sync;
  set: (next: Partial<Sync>) => void;
  may: boolean;
}) {
  const stamps = sync.stamp[way] ?? {};
  const names = Object.keys(stamps);
  const put = (next: Record<string, unknown>) => set({ stamp: { ...sync.stamp, [way]: next } as Sync['stamp'] });
  return (
    <Stack gap={6}>
      <MultiSelect
        size="xs"
        label={`Fields of ${to} with a fixed value`}
        description="Written when a record is made, such as its source, and never changed after"
        searchable
        data={names}
        value={names}
        disabled={!may}
        onChange={(kept) => put(Object.fromEntries(Object.entries(stamps).filter(([n]) => kept.includes(n))))}
      />
      {names.map((n) => (
        <TextInput
          key={n}
          label={n}
          value={String(stamps[n] ?? '')}
          disabled={!may}
          onChange={(e) => put({ ...stamps, [n]: e.currentTarget.value })}
        />
      ))}
      {may && <AddStamp names={names} add={(n) => put({ ...stamps, [n]: '' })} to={to} />}
    </Stack>
  );
}

function AddStamp({ names, add, to }: { names: string[]; add: (name: string) => void; to: string }) {
  return (
    <TextInput
      aria-label={`Add a field of ${to}`}
      placeholder="Name of a field, then Enter"
      onKeyDown={(e) => {
        const name = e.currentTarget.value.trim();
        if (e.key !== 'Enter' || !name || names.includes(name)) return;
        e.preventDefault();
        add(name);
        e.currentTarget.value = '';
      }}
    />
  );
}
