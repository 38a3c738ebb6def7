# SPDX-License-Identifier: MIT
"""Two builds of the same sources in different folders are equal, byte for byte."""
import hashlib
import os
import shutil
import subprocess

from harness import ROOT, Failure, Scenario, equal

RESULTS = ("krypton", "krypton.gz")


class BuildTwice(Scenario):
    TITLE = "build-twice"
    KRYPTON_ONLY = True

    def run(self):
        self.hashes = []
        for name in ("a", "a-folder-with-a-longer-name"):
            self.hashes.append(self.build(self.context.path(name)))

    def build(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                                stdout=subprocess.PIPE, text=True).stdout.split("\n")
        date = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True,
                              stdout=subprocess.PIPE, text=True).stdout.strip()
        for name in filter(None, listed):
            source, target = os.path.join(ROOT, name), os.path.join(folder, name)
            if os.path.isfile(source):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy2(source, target)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        run = subprocess.run(["make", "-j2", "all"], cwd=folder, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True,
                             env={**environment, "SOURCE_DATE_EPOCH": date})
        if run.returncode:
            raise Failure("make fails:\n" + run.stdout[-2000:])
        hashes = {}
        for name in RESULTS:
            with open(os.path.join(folder, "build", name), "rb") as file:
                hashes[name] = hashlib.sha256(file.read()).hexdigest()
        shutil.rmtree(folder)
        return hashes

    def check_equal(self):
        for name in RESULTS:
            equal(self.hashes[1][name], self.hashes[0][name], "sha256 of the second %s" % name)
