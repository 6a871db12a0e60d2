// What every page has: the theme switch.
