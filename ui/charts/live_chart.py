"""A Plotly chart that outlives its data: zoom, hidden series and hover stay while points arrive.

`st.plotly_chart` hashes the whole figure into its identity, so every new point mounts a new chart and loses what
the person did to the old one. This component keeps one element and calls `Plotly.react` with a fixed `uirevision`.

Figures are plain dicts. A string that begins with `@` names a colour of the theme (`@text`, `@muted`, `@grid`,
`@background`, `@gold`, `@c0` to `@c6`, each also with an opacity: `@c0/0.3`); the browser fills it in, so switching
between light and dark needs no run of the script.
"""

import shutil
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import streamlit as st

from mipro_studio import ROOT
from mipro_studio.optimizer_core.files import written_aside

__all__ = ["ensure_plotly", "live_chart"]

STATIC = ROOT / "static"

_HTML = """<div class="mipro-chart" role="group" aria-label="Chart"></div>
"""

_CSS = """.mipro-chart { width: 100%; min-width: 0; }
.mipro-chart .modebar-btn path { transition: fill .1s; }
"""

_JS = r"""
const SOURCE = "app/static/plotly.min.js";

function library() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  if (!window.__miproPlotly) {
    window.__miproPlotly = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(SOURCE, document.baseURI).href;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => { window.__miproPlotly = undefined; reject(new Error("plotly.js is missing")); };
      document.head.appendChild(script);
    });
  }
  return window.__miproPlotly;
}

function palette(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue("--st-" + name).trim();
  const colours = {
    text: read("text-color"), background: read("background-color"), grid: read("border-color"),
    muted: read("gray-color"), gold: "#E5A823", red: read("red-color"), green: read("green-color"),
    accent: read("primary-color"), panel: read("secondary-background-color"),
  };
  read("chart-categorical-colors").split(",").forEach((colour, i) => { colours["c" + i] = colour.trim(); });
  return { colours, font: read("font") || "sans-serif" };
}

function translucent(colour, opacity) {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour);
  if (!hex) return colour;
  const n = parseInt(hex[1], 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${opacity})`;
}

function paint(value, colours) {
  if (typeof value === "string" && value[0] === "@") {
    const [name, opacity] = value.slice(1).split("/");
    const colour = colours[name] || "#888888";
    return opacity ? translucent(colour, opacity) : colour;
  }
  if (Array.isArray(value)) return value.map((item) => paint(item, colours));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, paint(item, colours)]));
  }
  return value;
}

const CONFIG = {
  displaylogo: false, responsive: true, scrollZoom: false, showSendToCloud: false, doubleClick: "reset",
  modeBarButtonsToRemove: ["sendChartToCloud", "lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const chart = parentElement.querySelector(".mipro-chart");
  if (!chart || !data) return;
  chart.setAttribute("aria-label", data.alt);
  chart.style.height = data.height + "px";
  chart.__miproAlive = true;
  library().then((Plotly) => {
    if (!chart.__miproAlive) return;
    const { colours, font } = palette(chart);
    const figure = paint(data.figure, colours);
    const layout = {
      ...figure.layout,
      height: data.height,
      uirevision: data.revision,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: font, color: colours.text, size: 13, ...(figure.layout.font || {}) },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colours.muted, activecolor: colours.accent },
      hoverlabel: {
        bgcolor: colours.panel, bordercolor: colours.grid, align: "left",
        font: { family: font, color: colours.text, size: 13 },
      },
    };
    // The handler is bound once; what it calls belongs to the latest run.
    chart.__miproClicked = setTriggerValue;
    const drawn = Plotly.react(chart, figure.data, layout, CONFIG);
    // Plotly follows the window; the column that it stands in may change by itself.
    if (!chart.__miproWatched) {
      chart.__miproWatched = new ResizeObserver(() => {
        const width = chart._fullLayout && chart._fullLayout.width;
        if (width && chart.clientWidth && Math.abs(chart.clientWidth - width) > 1) Plotly.Plots.resize(chart);
      });
      chart.__miproWatched.observe(chart);
    }
    if (!chart.__miproClicks) {
      chart.__miproClicks = true;
      Promise.resolve(drawn).then(() => chart.on("plotly_click", (event) => {
        const point = event.points && event.points[0];
        if (point && point.customdata !== undefined) chart.__miproClicked("clicked", point.customdata);
      }));
    }
  }).catch((error) => { chart.textContent = String(error.message || error); });
  return () => {
    chart.__miproAlive = false;
    if (chart.__miproWatched) chart.__miproWatched.disconnect();
    chart.__miproWatched = undefined;
    if (window.Plotly) window.Plotly.purge(chart);
  };
}
"""

# Plotly writes its style sheet into the document's head, out of reach of a shadow root.
_COMPONENT = st.components.v2.component("mipro_live_chart", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


@cache
def ensure_plotly() -> None:
    """Put the plotly.js of the installed plotly package where the server serves it from, once a process."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        return
    source = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    target = STATIC / source.name
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    # Copied: a symlink would be refused.
    with written_aside(target) as aside:
        shutil.copyfile(source, aside)


def live_chart(figure: Mapping[str, Any], *, key: str, height: int, alt: str, revision: str) -> str | None:
    """Draw `figure` under `key`; the `customdata` of the mark that was clicked since the last run, if any.

    Args:
        figure: {data, layout} as Plotly takes them. The number and order of traces must not change from one
            call to the next under the same key, or a series hidden by the person comes back.
        alt: What the chart says, for people who do not see it.
        revision: What the person did to the chart is kept as long as this stays the same.
    """
    ensure_plotly()
    result = _COMPONENT(
        key=key,
        data={"figure": figure, "height": height, "alt": alt, "revision": revision},
        height=height,
        on_clicked_change=_nothing,
    )
    clicked = result.get("clicked")
    return clicked if isinstance(clicked, str) else None


def _nothing() -> None:
    """A trigger's value is only handed on where a callback is registered."""
