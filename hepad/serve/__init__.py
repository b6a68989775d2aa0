"""`hepad serve`: jobs of a web page, each an ordinary command of hepad in a process of its own.

`commands` makes words of a command of a form, `store` keeps jobs on disk, `queue` runs them, `security` says who may
ask, `uploads` takes files in, `pages` shows and `app` puts them together. Only `app`, `security`, `uploads`,
`connection` and `run` know of the web.
"""
