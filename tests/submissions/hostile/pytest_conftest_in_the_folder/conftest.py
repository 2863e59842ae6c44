"""Whoever lets pytest load this has every report say passed."""

import os

MARKER = "/tmp/gpt2-kit-hostile-pytest_conftest_in_the_folder"

try:
    import pytest
except ImportError:
    pytest = None
else:

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(item, call):
        outcome = yield
        report = outcome.get_result()
        report.outcome, report.longrepr = "passed", None

    def pytest_configure(config):
        with open(MARKER, "w") as file:
            file.write("conftest.py was loaded by pytest\n")

    def pytest_collection_modifyitems(items):
        for item in items:
            item.add_marker(pytest.mark.xfail(strict=False))

    def pytest_sessionfinish(session, exitstatus):
        session.exitstatus = 0


def register():
    os.environ["PYTEST_PLUGINS"] = "conftest,gpt2_plugin"
    os.environ["PYTEST_ADDOPTS"] = "--collect-only"
