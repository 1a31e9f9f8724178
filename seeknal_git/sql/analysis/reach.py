"""Whether a statement may read a table that its text does not name."""

from __future__ import annotations

from collections.abc import Collection

from seeknal_git.names import folded
from seeknal_git.sql.analysis import functions
from seeknal_git.sql.analysis.tree import Tree, objects
from seeknal_git.sql.analysis.volatile import KNOWN

# These functions read no table either, but the analysis does not take them apart: their value may
# differ between calls, or between releases of the engine.
_HARMLESS = functions.VOLATILE | frozenset(
    """
    aggregate alias array_aggr array_aggregate constant_or_null current_catalog current_database
    current_schema error generate_subscripts get_bit get_type grade_up histogram_exact json
    json_each json_insert json_remove json_replace json_set json_strip_nulls json_transform_strict
    from_json_strict json_tree list_aggr list_aggregate list_approx_count_distinct list_entropy
    list_histogram list_kurtosis list_kurtosis_pop list_mad list_mode list_sem list_skewness
    list_stddev_pop list_stddev_samp list_var_pop list_var_samp normalized_interval overlay
    parse_formatted_bytes pg_size_pretty pg_typeof ref regexp_split_to_table set_bit struct_contains
    struct_has struct_indexof struct_keys struct_position struct_values uuid_extract_timestamp
    uuid_extract_version variant_extract variant_typeof version
    """.split()
)


def is_certain(tree: Tree, brought: Collection[str]) -> bool:
    """Whether a statement reads no table but those that were found in its text.

    brought: the tables of the engine itself. Any other name of a table is a CTE of the statement,
    or an error.
    """
    for part in objects(tree):
        called = part.get("function_name")
        if called:
            function = str(called).lower()
            if function not in KNOWN and function not in _HARMLESS:
                return False
        is_table = part.get("type") == "BASE_TABLE" and "reference" not in part
        if is_table and folded(part["table_name"]) in brought:
            return False
    return True
