// Our own few icons, drawn on a grid of 16; they say nothing that is not also
// said in words, so screen readers skip them.
const paths = {
  connections: 'M2 5h9L8.5 2.5M14 11H5l2.5 2.5',
  log: 'M3 3h10M3 6.3h10M3 9.6h7M3 13h5',
  runs: 'M8 3a5 5 0 1 0 5 5M8 5v3l2 1.5M10 2h3v3',
  dead: 'M8 2l6 11H2zM8 6.5v3M8 11.3v.2',
  bell: 'M4 11V7.500a4 4 0 0 1 8 0V11l1 1.500H3zM6.500 14h3',
  accounts: 'M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 13.5c.6-2.6 2.6-4 5-4s4.400 1.400 5 4',
  apps: 'M2.500 2.500h4.500v4.500h-4.500zM9 2.500h4.500v4.500H9zM2.500 9h4.500v4.500h-4.500zM9 9h4.500v4.500H9z',
  keys: 'M10.500 9a3.500 3.500 0 1 0-3.300-2.300L2.500 11.500v2h2l.5-1.500 1.500-.5.3-1.300 1.500-1.500A3.500 3.500 0 0 0 10.500 9zM11 5v.1',
  audit: 'M4 2h6l2.500 2.500V14H4zM6 7h5M6 9.500h5M6 12h3',
  codes: 'M5 4L1.500 8 5 12M11 4l3.500 4L11 12M9 3L7 13',
  settings: 'M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7M10.500 3v3M5.500 10v3',
  erase: 'M3 4.500h10M6.500 4.500V3h3v1.500M4.500 4.500l.5 9h6l.5-9M7 7v4M9 7v4',
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.700 10.700L14 14',
  plus: 'M8 3v10M3 8h10',
  right: 'M6 3l5 5-5 5',
  left: 'M10 3L5 8l5 5',
  down: 'M3 6l5 5 5-5',
  up: 'M3 10l5-5 5 5',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.500l3.500 3.500L13 4.500',
  warn: 'M8 2l6 11H2zM8 6.500v3M8 11.300v.2',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
  moon: 'M13 9.500A5.500 5.500 0 0 1 6.500 3 5.500 5.500 0 1 0 13 9.500z',
  menu: 'M2.500 4h11M2.500 8h11M2.500 12h11',
  out: 'M6.500 3H3v10h3.500M9.500 5l3 3-3 3M12.500 8H6',
  pause: 'M5.500 3v10M10.500 3v10',
  play: 'M4.500 3l8 5-8 5z',
  refresh: 'M13 8a5 5 0 1 1-1.500-3.500M13 2v3h-3',
  both: 'M2 5.500h9L8.500 3M14 10.500H5L7.500 13',
  toRight: 'M2 8h11M9.500 4.500L13 8l-3.500 3.500',
  toLeft: 'M14 8H3M6.500 4.500L3 8l3.500 3.500',
  off: 'M3 8h10',
  link: 'M6.500 9.500l3-3M7 4.500l1-1a3 3 0 0 1 4.300 4.300l-1 1M9 11.500l-1 1a3 3 0 0 1-4.300-4.300l1-1',
  download: 'M8 2.500v7M5 7l3 3 3-3M3 13h10',
  undo: 'M5 3L2.500 5.500 5 8M2.500 5.500H10a3.500 3.500 0 0 1 0 7H6',
  lock: 'M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 5 0v2.500',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={paths[name]} />
    </svg>
  );
}
