"""Is an archive of `repro export` a valid RO-Crate? Asks roc-validator; `validate_crate.sh` installs it.

The validator fetches the JSON-LD context of RO-Crate from w3id.org. Here it is given the copy in the package `rocrate` 0.13 instead, so
that it needs no network and two runs see the same.
"""

import importlib.resources
import sys

import requests
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def get(self, url, *arguments, **settings):
    if url != CONTEXT:
        return self.session.get(url, *arguments, **settings)
    response = requests.Response()
    response.status_code = 200
    response.url = url
    response.headers["Content-Type"] = "application/ld+json"
    response._content = importlib.resources.files("rocrate.data").joinpath("ro-crate.jsonld").read_bytes()
    return response


def validate(archive, severity):
    settings = ValidationSettings(
        rocrate_uri=archive, profile_identifier="ro-crate-1.1", requirement_severity=severity, offline=True
    )
    result = services.validate(settings)
    for issue in result.get_issues(severity):
        print(f"    {issue.severity.name}: {issue.check.identifier}: {issue.message}")
    failed = result.has_issues(severity)
    print(f"{archive}: {'NOT ' if failed else ''}a valid RO-Crate 1.1, by all that is {severity.name.lower()}")
    return not failed


HttpRequester.get = get
level = Severity.REQUIRED if "--required" in sys.argv else Severity.RECOMMENDED
archives = [word for word in sys.argv[1:] if not word.startswith("--")]
sys.exit(0 if all([validate(archive, level) for archive in archives]) else 1)
