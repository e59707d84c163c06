# make run     the server on loopback, in the foreground     make run ARGS="--flow-timer 60"
# make test    every test                                    make test TESTS=sipoutbound.test.test_uri
# make lint    ruff and mypy
# make docs    the documentation, as HTML in docs/_build/html
# make demo    calls that come through though a line is cut and a server killed, in some seconds;
#              with ARGS=--one-line they fail
#
# Needs Python 3.11 or later with its venv module (Debian and Ubuntu: python3-venv). Everything else
# goes into the folder .venv, which is made once.

PYTHON = python3
VENV = .venv
TESTS = sipoutbound
ARGS =

.PHONY: run demo test lint ruff mypy docs clean

# The server runs beside the shell so that the shell outlives a Ctrl-C and make does not call it an
# error; what make or a supervisor sends to the shell is passed on. A background command ignores
# Ctrl-C (POSIX shell, 2.11), hence "env --default-signal".
run: $(VENV)/installed
	@env --default-signal=INT $(VENV)/bin/twistd -n --pidfile= sipoutbound $(ARGS) & \
	server=$$!; \
	trap : INT; trap 'kill -TERM $$server' TERM HUP; \
	wait $$server; status=$$?; \
	while kill -0 $$server 2>/dev/null; do wait $$server; status=$$?; done; \
	case $$status in 130|143) exit 0;; *) exit $$status;; esac

demo: $(VENV)/installed
	@$(VENV)/bin/python examples/demo $(ARGS)

test: $(VENV)/installed-dev
	$(VENV)/bin/trial $(TESTS)

lint: ruff mypy

ruff: $(VENV)/installed-dev
	$(VENV)/bin/ruff check .

mypy: $(VENV)/installed-dev
	$(VENV)/bin/mypy

# From scratch each time: what has not changed would not be warned about again.
docs: $(VENV)/installed-docs
	$(VENV)/bin/sphinx-build -q -E -W --keep-going -d docs/_build/doctrees docs docs/_build/html
	@echo "Its first page is docs/_build/html/index.html"

clean:
	rm -rf $(VENV) _trial_temp* build docs/_build *.egg-info

# The list of plugins is cached when twistd is first asked for it; asking here makes the first start
# as quick as the later ones.
$(VENV)/installed: $(VENV)/bin/pip setup.cfg pyproject.toml
	$(VENV)/bin/pip install --quiet --editable .
	@$(VENV)/bin/twistd --help >/dev/null
	@touch $@

$(VENV)/installed-dev: $(VENV)/bin/pip setup.cfg pyproject.toml
	$(VENV)/bin/pip install --quiet --editable '.[dev,docs]'
	@touch $@ $(VENV)/installed $(VENV)/installed-docs

$(VENV)/installed-docs: $(VENV)/bin/pip setup.cfg pyproject.toml
	$(VENV)/bin/pip install --quiet --editable '.[docs]'
	@touch $@ $(VENV)/installed

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "sipoutbound needs Python 3.11 or later as '$(PYTHON)'; 'make PYTHON=...' names another" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	|| { rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed: install the package python3-venv (apt install python3-venv)" >&2; exit 1; }
	@touch $@
