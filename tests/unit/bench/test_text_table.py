"""Tables of the benchmarks: readable at 80 columns and in a file."""

from benchmarks.text_table import WIDTH, format_notes, format_table


def test_a_table_is_plain_text_with_aligned_columns() -> None:
    assert format_table(
        "Speed", ("", "entries/s", ""), [("ours, bulk", "5,676 (5,000–6,000)", "ok"), ("COPY", "9", "")]
    ) == (
        "Speed\n"
        "\n"
        "                      entries/s\n"
        "----------  -------------------  --\n"
        "ours, bulk  5,676 (5,000–6,000)  ok\n"
        "COPY                          9\n"
    )


def test_a_long_first_column_is_wrapped_to_80_columns() -> None:
    name = "Temporal actions a thousand entries, bulk"
    table = format_table(
        "Targets", ("", "target", "median", "lowest–highest", ""), [(name, "≥ 300", "264", "189–597,000", "missed")]
    )
    assert max(map(len, table.splitlines())) <= WIDTH
    assert format_notes([("ours", "word " * 40)]).count("\n") == 2
