import {
  Alert,
  Badge,
  Button,
  Checkbox,
  createTheme,
  NumberInput,
  PasswordInput,
  Select,
  Switch,
  TextInput,
} from '@mantine/core';

const brand = [
  '#eefaf8',
  '#d9f1ed',
  '#b0e2da',
  '#83d2c6',
  '#5ec5b6',
  '#3fb0a0',
  '#147d72',
  '#0f766e',
  '#0c615a',
  '#074c47',
] as const;

const red = [
  '#fff1f0',
  '#fde2e0',
  '#f9c1bd',
  '#f59b95',
  '#f2766e',
  '#e5534a',
  '#c92a2a',
  '#b42318',
  '#912018',
  '#7a271a',
] as const;

export const theme = createTheme({
  primaryColor: 'brand',
  primaryShade: { light: 7, dark: 6 },
  autoContrast: true,
  colors: { brand: [...brand], red: [...red] },
  fontFamily: 'ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  defaultRadius: 'sm',
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  headings: {
    fontWeight: '600',
    sizes: { h1: { fontSize: '1.25rem' }, h2: { fontSize: '1rem' }, h3: { fontSize: '0.875rem' } },
  },
  components: {
    Button: Button.extend({ defaultProps: { size: 'xs' } }),
    TextInput: TextInput.extend({ defaultProps: { size: 'xs' } }),
    PasswordInput: PasswordInput.extend({ defaultProps: { size: 'xs' } }),
    NumberInput: NumberInput.extend({ defaultProps: { size: 'xs' } }),
    Select: Select.extend({ defaultProps: { size: 'xs', checkIconPosition: 'right', allowDeselect: false } }),
    Checkbox: Checkbox.extend({ defaultProps: { size: 'xs' } }),
    Switch: Switch.extend({ defaultProps: { size: 'sm' } }),
    Badge: Badge.extend({ defaultProps: { size: 'sm', variant: 'light', tt: 'none', fw: 500 } }),
    Alert: Alert.extend({ defaultProps: { p: 'sm' } }),
  },
});
