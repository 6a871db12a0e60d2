// The admin follows the theme that the rest of the site keeps in its cookie. Not a module: it runs before the first paint.
document.documentElement.dataset.theme = /(?:^|; )theme=(light|dark)/.exec(document.cookie)?.[1] ?? "auto"
