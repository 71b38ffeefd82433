#!/usr/bin/env python3
"""A software bill of materials (SPDX 2.3, JSON): the program and the Debian packages it is shipped or linked with.

usage: sbom.py [--licenses FOLDER] LIBRARIES

LIBRARIES: a file with the path of a shared library a line. With --licenses, the copyright file of each
package is copied to FOLDER/PACKAGE. The same input on the same system gives the same bytes; the date is
SOURCE_DATE_EPOCH.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]


def version():
    return re.search(r"^  version: '(.*)',$", (ROOT / "meson.build").read_text(), re.MULTILINE)[1]


def owners(libraries):
    """{package: version} of those that own these files; a package of several architectures counts once."""
    names = set()
    for library in libraries:
        real = os.path.realpath(library)
        # Before /usr was merged packages listed /lib: ask for both names.
        for path in (real, real.removeprefix("/usr")):
            done = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
            if done.returncode == 0:
                names.add(done.stdout.split(":")[0])
                break
        else:
            sys.exit(f"sbom: no package owns {library}")
    query = ["dpkg-query", "-W", "-f", "${Package}\t${Version}\t${source:Package}\t${Maintainer}\n"]
    lines = subprocess.run([*query, *sorted(names)], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}


def licence_names(name):
    """What the package's copyright file calls the licences of its parts, where a machine can read it."""
    text = (pathlib.Path("/usr/share/doc") / name / "copyright").read_text(encoding="utf-8", errors="replace")
    if not text.startswith("Format:"):
        return "see the package's copyright file"
    return "in Debian's words: " + ", ".join(sorted(set(re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE)), key=lambda each: (each.lower(), each)))


def package(name, number, supplier, purl, licence="NOASSERTION", comment=None):
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name),
        "name": name,
        "versionInfo": number,
        "supplier": supplier,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        **({"licenseComments": comment} if comment else {}),
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        ] if purl else [],
    }


def bill(packages, created):
    own = package("pipersr", version(), "Organization: The PiperSR authors", None, "MIT",
                  comment="Program, library and models. With x264, x265 and others, as below, the whole is under the GPL.")
    others = [
        package(
            name,
            number,
            f"Person: {maintainer}",
            f"pkg:deb/debian/{urllib.parse.quote(name)}@{urllib.parse.quote(number)}",
            comment=licence_names(name),
        )
        for name, (number, _, maintainer) in sorted(packages.items())
    ]
    digest = hashlib.sha256(json.dumps([own, *others], sort_keys=True).encode()).hexdigest()
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", own["SPDXID"])]
    relations += [(own["SPDXID"], "DYNAMIC_LINK", other["SPDXID"]) for other in others]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"pipersr-{version()}",
        "documentNamespace": f"urn:pipersr:sbom:{digest}",
        "creationInfo": {"created": created, "creators": ["Tool: packaging/sbom.py"]},
        "packages": [own, *others],
        "relationships": [
            {"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations
        ],
    }


def copy_licenses(packages, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in packages:
        shutil.copyfile(pathlib.Path("/usr/share/doc") / name / "copyright", folder / name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--licenses", type=pathlib.Path, help="folder for the packages' copyright files")
    parser.add_argument("libraries", type=pathlib.Path)
    options = parser.parse_args()
    packages = owners(options.libraries.read_text().split())
    if options.licenses:
        copy_licenses(packages, options.licenses)
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    created = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(json.dumps(bill(packages, created), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
