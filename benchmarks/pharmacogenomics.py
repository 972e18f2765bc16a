"""Pharmacogenomics: agreement with the reference tables, held-out exposure error and speed.

Needs the reference tables in ../shared/data/pgx. Writes results/pharmacogenomics.json. Speed is given in
seconds of this machine and, for the caller, as a multiple of the time that reading and splitting the same
text takes, because machines differ.
"""

import argparse
import csv
import gzip
import json
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from novamind.drugs.clearance import routes
from novamind.drugs.exposure import held_out_log_errors, model_log_sd
from novamind.pharmacogenomics import clozapine, genotype, guidelines, phenotype, recommend
from novamind.pharmacogenomics.alleles import call_variants, wanted_positions
from novamind.pharmacogenomics.domain import ActivityScore, DiplotypeCall, GeneResult, Phenotype
from novamind.pharmacogenomics.matching import allele_table, match_best
from novamind.pharmacogenomics.notation import SCORED_GENES, parse_diplotype, parse_score
from novamind.pharmacogenomics.phenoconversion import convert
from novamind.pharmacogenomics.phenotypes import call_phenotype, phenotype_result, results, score_result
from novamind.pharmacogenomics.service import call_vcf
from novamind.records.genotypes.vcf import Genotype, read_vcf

HERE = Path(__file__).resolve().parent


def rows(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as handle:
        yield from csv.DictReader(handle, delimiter=delimiter)


def stated(text: str) -> set[tuple[frozenset[str], int | None]]:
    pairs = (item.split("@") for item in text.split("|") if item)
    return {(frozenset(name.split("/")), int(score)) for name, score in pairs}


def found(calls: tuple[DiplotypeCall, ...]) -> set[tuple[frozenset[str], int | None]]:
    return {(frozenset((c.first, c.second)), c.score) for c in calls}


def agreement(hits: list[bool]) -> dict[str, int]:
    return {"rows": len(hits), "agree": sum(hits)}


def matcher(data: Path) -> dict[str, dict[str, int]]:
    out = {}
    for path in sorted((data / "matcher").glob("*.tsv.gz")):
        table = allele_table(path.name.removeprefix("matcher_").partition(".")[0].partition("_")[0])
        at = {p: j for j, p in enumerate(table.positions)}
        hits = []
        for row in rows(path, "\t"):
            absent = {int(p) for p in row["missing"].split(",") if p}
            seen = {j: Genotype(0, 0, "") for p, j in at.items() if p not in absent}
            for item in filter(None, row["non_reference"].split(",")):
                place, text = item.split("=")
                block = "|" if "|" in text else ""
                first, second = text.split(block or "/")
                if int(place) in at:
                    seen[at[int(place)]] = Genotype(int(first), int(second), block)
            hits.append(found(match_best(table, seen)) == stated(row["top_calls"]))
        out[path.name.removeprefix("matcher_").partition(".")[0]] = agreement(hits)
    return out


def vcf_calls(data: Path) -> dict[str, int]:
    hits = [
        found(call_vcf(data / "vcf" / row["vcf"])[row["gene"]].calls) == stated(row["top_calls"])
        for row in rows(data / "vcf" / "expected_calls.csv")
    ]
    called = call_variants(read_vcf(data / "vcf" / "100samples.genes.vcf.gz", wanted_positions()))
    hits += [
        called[row["sample"]][row["gene"]].name
        == row["diplotype"].replace(" OR ", " or ").replace("no call", "not called")
        for row in rows(data / "vcf" / "100samples.expected.csv.gz")
    ]
    return agreement(hits)


def diplotypes(data: Path) -> dict[str, int]:
    hits = []
    for row in rows(data / "diplotype_phenotype.csv.gz"):
        reading = phenotype(row["gene"], f"{row['allele1']}/{row['allele2']}")
        score = "" if reading.activity_score is None else str(reading.activity_score)
        hits.append((str(reading.phenotype), score) == (row["phenotype"], row["activity_score"]))
    return agreement(hits)


def reading(gene: str, text: str) -> GeneResult | None:
    if text == "No Result" or not gene:
        return None
    if gene.startswith("HLA"):
        stated_markers = re.findall(r"(\*[\d:]+) (positive|negative)", text)
        return GeneResult(gene, None, markers=tuple((a, s == "positive") for a, s in stated_markers))
    if gene in SCORED_GENES and text == "n/a":
        return score_result(gene, None)
    if gene in SCORED_GENES and (score := parse_score(text)) is not None:
        return score_result(gene, score)
    if text.startswith("*"):
        first, second = text.split("/")
        return call_phenotype(gene, DiplotypeCall(first, second))
    return phenotype_result(gene, Phenotype(text))


def recommendations(data: Path) -> dict[str, object]:
    hits, differing = [], []
    for row in rows(data / "recommendations_cpic_dpwg.csv"):
        pairs = ((row["gene1"], row["result1"]), (row["gene2"], row["result2"]))
        tested = {gene: r for gene, text in pairs if (r := reading(gene, text)) is not None}
        wanted = (row["source"], row["population"], {row["gene1"], row["gene2"]} - {""})
        said = [
            (str(a.action), a.dose_factor, a.strength)
            for a in guidelines.lookup(row["drug"], tested)
            if (a.source, a.population, set(a.genes)) == wanted
        ]
        hits.append(said == [(row["action"], row["dose_factor"], row["strength"])])
        if not hits[-1]:
            differing.append(f"{row['source']} {row['drug']} {row['result1']}")
    fda = []
    for row in rows(data / "recommendations_fda_table.csv"):
        group = row["affected_subgroup"]
        if "allele" in group:
            subjects = [GeneResult(row["gene"], None, markers=((group.split()[0], True),))]
        else:
            named = [p for p in ("ultrarapid", "intermediate", "poor") if p in group]
            subjects = [results(parse_diplotype(row["gene"], p))[0] for p in named]
        fda.append(
            all(
                [a.action for a in guidelines.lookup(row["drug"], {row["gene"]: s}) if a.source == "FDA"]
                == [row["action"]]
                for s in subjects
            )
        )
    return {"cpic_dpwg": agreement(hits), "differing": differing, "fda": agreement(fda)}


def clozapine_error(data: Path) -> dict[str, float]:
    table = [
        {k.lower(): float(v) for k, v in row.items()}
        for part in ("train", "test")
        for row in rows(data / "clozapine_tdm" / f"{part}.csv")
    ]
    column = {k: np.array([r[k] for r in table]) for k in table[0]}
    x = clozapine.design(
        column["dose"], column["male"], column["age"], column["crp"], np.minimum(column["inducers_1a2"], 1)
    )
    errors = clozapine.leave_one_out_log_errors(x, column["clozapine"])
    dose_only = clozapine.leave_one_out_log_errors(x[:, :2], column["clozapine"])
    return {
        "levels": len(errors),
        "rmse_log": float(np.sqrt((errors**2).mean())),
        "rmse_log_dose_only": float(np.sqrt((dose_only**2).mean())),
    }


def many_samples(n: int = 1000) -> bytes:
    """Write a VCF of n samples over seven genes: pairs of alleles, 5 % of the genotypes missing, unphased."""
    rng = np.random.default_rng(0)
    lines = ["##fileformat=VCFv4.2"]
    lines.append(
        "\t".join(
            [
                "#CHROM",
                "POS",
                "ID",
                "REF",
                "ALT",
                "QUAL",
                "FILTER",
                "INFO",
                "FORMAT",
                *(f"s{i}" for i in range(n)),
            ]
        )
    )
    for gene in ("CYP2C19", "CYP2C9", "CYP2B6", "CYP3A4", "CYP3A5", "CYP2D6", "UGT1A1"):
        table = allele_table(gene)
        first, second = (rng.choice(len(table.names), size=n) for _ in range(2))
        # One accepted base an allele and position: its own variant where it has one.
        carried = np.where(table.accepts[:, :, 1], 1, np.argmax(table.accepts, axis=2))
        missing = rng.random((n, len(table.positions))) < 0.05
        for j, position in enumerate(table.positions):
            genotypes = [
                "./." if missing[i, j] else f"{carried[first[i], j]}/{carried[second[i], j]}" for i in range(n)
            ]
            bases = table.bases[j]
            lines.append(
                "\t".join(
                    [
                        table.chrom,
                        str(position),
                        ".",
                        bases[0],
                        ",".join(bases[1:]),
                        ".",
                        "PASS",
                        ".",
                        "GT",
                        *genotypes,
                    ]
                )
            )
    return ("\n".join(lines) + "\n").encode()


def speed() -> dict[str, float]:
    content = many_samples()
    wanted = wanted_positions()
    call_variants(read_vcf(content, wanted))  # definitions are loaded once
    called, cpu, floor = [], [], []
    for _ in range(3):
        start, cpu_start = time.perf_counter(), time.process_time()
        call_variants(read_vcf(content, wanted))
        called.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
        start = time.perf_counter()
        [line.split("\t") for line in content.decode().splitlines()]
        floor.append(time.perf_counter() - start)
    diplotypes_ = [f"*{a}/*{b}" for a in (1, 4, 10, 41) for b in (1, 2, 17)]
    taken = (("paroxetine",), ("duloxetine", "ibuprofen"), ("carbamazepine",), ())
    answered = []
    for k in range(300):
        person = genotype(
            {
                "CYP2D6": diplotypes_[k % len(diplotypes_)],
                "CYP2C19": f"*{1 + k % 2}/*17",
                "HLA-B": "*15:02 negative",
            }
        )
        start = time.perf_counter()
        recommend(person, None, taken[k % len(taken)], ("bipolar disorder",))
        answered.append(time.perf_counter() - start)
    return {
        "samples": 1000,
        "genes": 7,
        "call_seconds": statistics.median(called),
        "call_cpu_seconds": statistics.median(cpu),
        "call_over_text_splitting": statistics.median(called) / statistics.median(floor),
        "recommend_p50_ms": 1000 * float(np.percentile(answered[20:], 50)),
        "recommend_p95_ms": 1000 * float(np.percentile(answered[20:], 95)),
    }


def interactions(data: Path) -> dict[str, object]:
    """Exposure under an inhibitor over that without it, by CYP2D6 score, in the order observed."""
    scores = {"AS0": 0.0, "AS1": 1.0, "AS2": 2.0, "PM": 0.0, "EM": 2.0}
    ordered = sorted(rows(data / "ddi_auc_by_genotype.csv"), key=lambda row: float(row["aucr_observed"]))
    table = []
    for row in ordered:
        change = convert(score_result("CYP2D6", ActivityScore(scores[row["cyp2d6_group"]])), (row["inhibitor"],))
        path = next(r for r in routes(row["substrate"]) if r.route == "CYP2D6")
        before, after = change.before.activity or 0.0, change.after.activity or 0.0
        ratio = path.ratio(after, change.after.genetic_activity) / path.ratio(before)
        group = " ".join((row["substrate"], row["inhibitor"], row["cyp2d6_group"]))
        table.append({"group": group, "observed": float(row["aucr_observed"]), "predicted": ratio})
    predicted = [entry["predicted"] for entry in table]
    return {"rows": table, "in_observed_order": predicted == sorted(predicted)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "pgx")
    data = parser.parse_args().data
    if not data.is_dir():
        parser.error(f"the reference tables are not in {data}")
    outcome = {
        "diplotype_phenotype": diplotypes(data),
        "matcher": matcher(data),
        "vcf": vcf_calls(data),
        "recommendations": recommendations(data),
        "exposure_held_out": {
            "rows": len(held_out_log_errors()),
            "median_absolute_log_error": statistics.median(abs(e) for e in held_out_log_errors()),
            "rmse_log": model_log_sd(),
        },
        "interactions_by_genotype": interactions(data),
        "clozapine_leave_one_out": clozapine_error(data),
        "speed": speed(),
    }
    target = HERE / "results" / "pharmacogenomics.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(outcome, indent=2))


if __name__ == "__main__":
    main()
