"""The shell: web, jobs, command line, settings and clock; the only floor that commits."""
