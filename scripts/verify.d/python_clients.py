"""Runs the vendors' clients for Python against the fakes; 0 only if all is proved."""

import sys
import unittest

import python_hubspot
import python_salesforce

LEFT_OUT = (
    "simple-salesforce bulk and bulk2: the fake has no Bulk API, which Lockstep does not use",
    "simple-salesforce login with name and password: by SOAP, which Salesforce ends with Summer '27",
)


def main():
    suite = unittest.TestSuite()
    parts = {m: unittest.defaultTestLoader.loadTestsFromModule(m) for m in (python_hubspot, python_salesforce)}
    for part in parts.values():
        suite.addTests(part)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    for module, part in parts.items():
        print(f"{module.__doc__.splitlines()[0]} {part.countTestCases()} tests")
    for line in LEFT_OUT:
        print("left out:", line)
    whole = all(part.countTestCases() > 0 for part in parts.values()) and not result.skipped and not result.expectedFailures
    return 0 if whole and result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
