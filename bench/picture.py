"""The figures of a run as a small SVG: calls a second as bars, with the processor time of a call beside each."""

import statistics

WIDTH, BAR, GAP, LEFT, RIGHT = 720, 22, 8, 170, 150


def draw(*groups):
    titles = ["A GET of 1 KiB: calls a second on one core", "A metered chat completion: calls a second on one core"]
    y, parts = 10, []
    for title, cases in zip(titles, groups):
        parts.append(f'<text x="0" y="{y + 14}" class="title">{title}</text>')
        y += 26
        shown = [case for case in cases if case.name != "direct"]
        most = max(statistics.median(case.rates) for case in shown)
        for case in shown:
            parts += bar(case, y, most)
            y += BAR + GAP
        y += 14
    style = (
        "text{font:13px system-ui,sans-serif;fill:#444}.title{font-weight:600}rect{fill:#8aa4c8}.own{fill:#c05621}"
        "@media(prefers-color-scheme:dark){text{fill:#ccc}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" aria-label="{titles[0]}">'
    return f"{head}<style>{style}</style>{''.join(parts)}</svg>\n"


def bar(case, y, most):
    rate, cpu = statistics.median(case.rates), statistics.median(case.cpus)
    width = max(1, (WIDTH - LEFT - RIGHT) * rate / most)
    kind = ' class="own"' if case.name.startswith("tollgate") else ""
    return [
        f'<text x="0" y="{y + 16}">{case.name}</text>',
        f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}"{kind}/>',
        f'<text x="{LEFT + width + 6:.1f}" y="{y + 16}">{rate:,.0f} · {cpu:.0f} µs</text>',
    ]
