"""Lists of the engine's functions: those that always give the same value for the same arguments,
those that do not depend on the order of rows, and others.

A function that is on no list cannot be analysed. The lists follow `duckdb_functions()` of DuckDB
1.5 and 2.0 and were read one by one; a test holds that the engine calls none of the stable ones
volatile.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# One value for one row, computed from the arguments alone.
SCALAR = _names("""
    ! !__postfix !~~ !~~* % & && * ** + - -> ->> / // << <@ <-> <=> @ @> >> ^ ^@ | || ~ ~~ ~~* ~~~
    abs acos acosh add array_append array_apply array_cat array_concat array_contains
    array_cosine_distance array_cosine_similarity array_cross_product array_distance array_distinct
    array_dot_product array_extract array_filter array_grade_up array_has array_has_all
    array_has_any array_indexof array_inner_product array_intersect array_length array_pop_back
    array_pop_front array_position array_prepend array_push_back array_push_front array_reduce
    array_resize array_reverse array_reverse_sort array_select array_slice array_sort array_to_json
    array_to_string array_transform array_unique array_value array_where array_zip apply ascii asin
    asinh atan atan2 atanh bar base64 bin bit_count bit_length bit_position bitstring cardinality
    cbrt ceil ceiling century char_length character_length chr concat concat_ws contains cos cosh
    cot damerau_levenshtein date_add date_diff date_part date_sub date_trunc datediff datepart
    datesub datetrunc day dayname dayofmonth dayofweek dayofyear days_in_month decade decode degrees
    divide editdist3 element_at encode ends_with enum_code enum_first enum_last enum_range epoch
    epoch_ms epoch_ns epoch_us equi_width_bins era even exp factorial fdiv filter flatten floor fmod
    format format_bytes formatreadabledecimalsize formatreadablesize from_base64 from_binary
    from_hex from_json gamma gcd generate_series greatest greatest_common_divisor hamming hash hex
    hour if ilike_escape instr isfinite isinf isnan isodow isoyear jaccard jaro_similarity
    jaro_winkler_similarity json_array json_array_length json_contains json_exists json_extract
    json_extract_path json_extract_path_text json_extract_string json_keys json_merge_patch
    json_object json_pretty json_quote json_structure json_transform json_type json_valid json_value
    julian last_day lcase lcm least least_common_multiple left left_grapheme len length
    length_grapheme levenshtein lgamma like_escape list_any_value list_append list_apply list_avg
    list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or list_cat list_concat
    list_contains list_cosine_distance list_cosine_similarity list_count list_distance list_distinct
    list_dot_product list_element list_extract list_filter list_first list_grade_up list_has
    list_has_all list_has_any list_indexof list_inner_product list_intersect list_last list_max
    list_median list_min list_pack list_position list_prepend list_product list_reduce list_resize
    list_reverse list_reverse_sort list_select list_slice list_sort list_string_agg list_sum
    list_transform list_unique list_value list_where list_zip ln log log10 log2 lower lpad ltrim
    make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz map
    map_concat map_contains map_contains_entry map_contains_value map_entries map_extract
    map_extract_value map_from_entries map_keys map_values md5 md5_number microsecond millennium
    millisecond minute mismatches mod month monthname multiply nanosecond nextafter nfc_normalize
    not_ilike_escape not_like_escape nullif octet_length ord parse_dirname parse_dirpath
    parse_filename parse_path pi position pow power prefix printf quarter radians range reduce
    regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
    regexp_split_to_array repeat replace reverse right right_grapheme round round_even roundbankers
    rpad rtrim second sha1 sha256 sign signbit sin sinh split split_part sqrt starts_with str_split
    str_split_regex strftime string_split string_split_regex string_to_array strip_accents strlen
    strpos strptime struct_extract struct_extract_at substr substring substring_grapheme subtract
    suffix tan tanh time_bucket timezone timezone_hour timezone_minute to_base to_base64 to_binary
    to_centuries to_days to_decades to_hex to_hours to_microseconds to_millennia to_milliseconds
    to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years translate trim trunc
    try_strptime typeof ucase unbin unhex unicode union_extract union_tag upper url_decode
    url_encode week weekday weekofyear xor year yearweek row row_to_json struct_concat to_json
    """)

# The same, but the names of the arguments are part of the value.
NAMING = _names("struct_insert struct_pack struct_update union_value")

# Functions that take a lambda; anywhere else `x -> y` takes a field out of JSON.
LAMBDAS = _names("""
    apply array_apply array_filter array_reduce array_transform filter list_apply list_filter
    list_reduce list_transform reduce
    """)

# One value for a bag of rows, whatever their order.
AGGREGATE = _names("""
    avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop
    covar_samp entropy favg fsum geomean geometric_mean histogram kahan_sum kurtosis kurtosis_pop
    mad max mean median min product quantile quantile_cont quantile_disc regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev
    stddev_pop stddev_samp sum sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg
    """)

# Aggregates that depend on the order of the rows, or on chance where there are ties.
ORDERED = _names("""
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null
    arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg bitstring_agg
    first group_concat json_group_array json_group_object json_group_structure last list listagg
    max_by min_by mode reservoir_quantile string_agg
    """)
# Those of them whose value is certain if their ORDER BY is over the values that they collect.
COLLECTING = _names("any_value arbitrary array_agg first group_concat last list listagg string_agg")

# Window functions that give equal values to rows that are equal in the order of their window.
RANKING = _names("cume_dist dense_rank percent_rank rank rank_dense")
POSITIONAL = _names("fill first_value lag last_value lead nth_value ntile row_number")

# Functions that give another value each time.
VOLATILE = _names("""
    age ago current_date current_localtime current_localtimestamp current_time current_timestamp
    gen_random_uuid get_current_time get_current_timestamp localtime localtimestamp now random today
    transaction_timestamp uuid uuidv4 uuidv7
    """)

# Other names of functions: the engine says that they are aliases, and a test asks it again.
ALIASES = dict(
    pair.split("=", 1)
    for pair in """
    add=+ subtract=- multiply=* divide=// mod=% pow=** power=** ^=** abs=@ apply=list_transform
    array_apply=list_transform array_transform=list_transform list_apply=list_transform
    array_filter=list_filter filter=list_filter array_reduce=list_reduce reduce=list_reduce
    arbitrary=first argmax=arg_max max_by=arg_max argmin=arg_min min_by=arg_min array_agg=list
    array_cat=list_concat array_concat=list_concat list_cat=list_concat array_contains=list_contains
    array_has=list_contains list_has=list_contains array_distinct=list_distinct
    array_has_all=list_has_all array_has_any=list_has_any array_intersect=list_intersect
    array_indexof=list_position array_position=list_position list_indexof=list_position
    array_reverse_sort=list_reverse_sort array_slice=list_slice array_sort=list_sort
    array_unique=list_unique array_zip=list_zip list_pack=list_value list_element=list_extract
    base64=to_base64 ceiling=ceil char_length=length character_length=length len=length
    countif=count_if editdist3=levenshtein mismatches=hamming ends_with=suffix starts_with=^@
    from_hex=unhex to_hex=hex from_binary=unbin to_binary=bin fsum=kahan_sum sumkahan=kahan_sum
    gcd=greatest_common_divisor lcm=least_common_multiple group_concat=string_agg listagg=string_agg
    lcase=lower ucase=upper mean=avg ord=unicode position=instr strpos=instr quantile=quantile_disc
    split=string_split str_split=string_split string_to_array=string_split
    str_split_regex=string_split_regex regexp_split_to_array=string_split_regex stddev=stddev_samp
    variance=var_samp substr=substring
    """.split()
)


def called(tree: Mapping[str, Any]) -> str:
    """The name of a function in a tree. An alias gives the name that the engine uses."""
    name = str(tree["function_name"]).lower()
    return ALIASES.get(name, name)


# Other names of types.
TYPES = {
    "BINARY": "BLOB",
    "BITSTRING": "BIT",
    "BOOL": "BOOLEAN",
    "BPCHAR": "VARCHAR",
    "BYTEA": "BLOB",
    "CHAR": "VARCHAR",
    "DATETIME": "TIMESTAMP",
    "DEC": "DECIMAL",
    "FLOAT4": "FLOAT",
    "FLOAT8": "DOUBLE",
    "GUID": "UUID",
    "INT": "INTEGER",
    "INT1": "TINYINT",
    "INT16": "SMALLINT",
    "INT2": "SMALLINT",
    "INT32": "INTEGER",
    "INT4": "INTEGER",
    "INT64": "BIGINT",
    "INT8": "BIGINT",
    "INTEGRAL": "INTEGER",
    "LOGICAL": "BOOLEAN",
    "LONG": "BIGINT",
    "NUMERIC": "DECIMAL",
    "NVARCHAR": "VARCHAR",
    "REAL": "FLOAT",
    "SHORT": "SMALLINT",
    "SIGNED": "INTEGER",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_US": "TIMESTAMP",
    "TIMETZ": "TIME WITH TIME ZONE",
    "VARBINARY": "BLOB",
}

# Functions that make rows out of their arguments, and the name of the column that they return.
TABLES = {"unnest": "unnest", "range": "range", "generate_series": "generate_series"}
