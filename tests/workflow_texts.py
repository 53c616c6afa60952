"""A workflow and a runtime in which no rule finds anything."""

SHA = "0123456789012345678901234567890123456789"
CHECKOUT = f"actions/checkout@{SHA} # v7.0.1"
GOOD = f"""\
name: ci
on: push
jobs:
  plan:
    runs-on: here
    timeout-minutes: 5
    outputs:
      units: ${{{{ steps.plan.outputs.units }}}}
    steps:
      - uses: {CHECKOUT}
      - uses: $/.github/actions/runtime
      - id: plan
        run: nox -s plan
  unit:
    needs: plan
    runs-on: here
    timeout-minutes: 5
    strategy:
      matrix:
        include: ${{{{ fromJSON(needs.plan.outputs.units) }}}}
    steps:
      - uses: {CHECKOUT}
      - run: nox -s "$UNIT"
        env:
          UNIT: ${{{{ matrix.unit }}}}
  required:
    if: ${{{{ always() }}}}
    needs: [plan, unit]
    runs-on: here
    timeout-minutes: 5
    steps:
      - if: ${{{{ needs.unit.result != 'success' }}}}
        run: exit 1
"""
RUNTIME = f"""\
name: runtime
description: what a job needs
runs:
  using: composite
  steps:
    - uses: astral-sh/setup-uv@{SHA} # v10.0.1
    - run: uv pip install --require-hashes -r ci/locks/dev.txt
      shell: bash
    - run: uv pip install --no-deps --no-build-isolation -e .
      shell: bash
"""
