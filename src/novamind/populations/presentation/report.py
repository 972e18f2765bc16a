"""One HTML page about a population and what was simulated on it; it opens without a network."""

from pathlib import Path
from typing import Any

from novamind.populations.population import TwinPopulation
from novamind.populations.presentation import plots
from novamind.populations.results import SimulationResult, TwinModelMetrics

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Population twins</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0
1rem}td,th{padding:.2rem .8rem;
text-align:left}svg{max-width:100%;height:auto}.note{background:#fff4d6;padding:.6rem}</style>
<h1>Population twins: {{ twins }} {{ kind }}, {{ brand }}</h1>
<p class="note">Synthetic, commercial use only. It replaces no experiment and says nothing about clinical
outcomes.</p>
{% if metrics %}<h2>Model</h2><table>
<tr><th>Kind</th><td>{{ metrics.model_type }}, {{ metrics.training_samples }} rows</td></tr>
<tr><th>Cross-validated R²</th><td>{{ "%.3f"|format(metrics.cv_r2_mean) }} ± {{
"%.3f"|format(metrics.cv_r2_std) }}</td></tr>
<tr><th>95 % intervals cover</th><td>{{ "%.1f"|format(100 * metrics.coverage_95) }} %, worst group
{{ "%.1f"|format(100 * metrics.worst_group_coverage) }} %</td></tr>
<tr><th>Differential privacy</th><td>{% if metrics.epsilon %}epsilon {{ "%g"|format(metrics.epsilon) }}, delta {{
"%g"|format(metrics.delta) }}{% else %}none{% endif %}</td></tr></table>
{% for w in metrics.warnings %}<p class="note">{{ w }}</p>{% endfor %}{% endif %}
{% if result %}<h2>Simulation: {{ result.intervention.intervention_type }}</h2>
<p><b>{{ result.recommendation }}</b>: {{ result.reason }}</p><ul>{% for c in result.checks %}<li>{{ c
}}</li>{% endfor %}</ul>
{{ forest|safe }}{% endif %}
<p>Model {{ population.model_id or "unsaved" }}, seed {{ population.seed }}, drawn {{ population.created_at
}}.</p></html>"""


def write(
    path: str | Path,
    population: TwinPopulation,
    *,
    metrics: TwinModelMetrics | None = None,
    result: SimulationResult | None = None,
) -> Path:
    """Write the page and return its path."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(_PAGE)
    text = page.render(
        population=population,
        twins=f"{len(population):,}",
        kind=str(population.twin_type),
        brand=population.brand,
        metrics=metrics,
        result=result,
        forest=_svg(plots.effects(result)) if result else "",
    )
    target = Path(path)
    target.write_text(text, encoding="utf-8")
    return target


def _svg(chart: Any) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.to_json()))
