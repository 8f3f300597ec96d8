# SPDX-License-Identifier: Apache-2.0
"""The kinds of tests that `pyrene test` runs.  Each module offers discover(), which returns Test objects and builds nothing."""
