"""ISO 4217 currency codes in use, and those of them that are not divided into hundredths. A list, and nothing else."""

from __future__ import annotations

from decimal import Decimal

CURRENCIES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
    CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD
    LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP
    TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XCD XCG XDR XOF XPD XPF XPT YER
    ZAR ZMW ZWG
    """.split()
)
# Withdrawn lately, but right on a document of their time.
HISTORIC = frozenset(
    "BYR CUC DEM ESP FRF HRK ITL LTL LVL MRO NLG SKK SLL STD VEF ZMK ZWL EEK MTL CYP SIT ATS BEF".split()
)

_WHOLE = frozenset("BIF CLP DJF GNF HUF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())


def smallest_unit(currency: str | None) -> Decimal:
    """What amounts in this currency are rounded to: 1 where invoices have whole numbers only, else 0.01."""
    return Decimal(1) if currency in _WHOLE else Decimal("0.01")
